"""A real Prometheus that was set up as the documentation says."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.fetch import fetch
from tests.support.harness import CHECKOUT, Site
from zopestack.features.address import Address

#: Where the documentation has the files of a stack.
DOCUMENTED = "/srv/mysite/parts/stack-files"


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    address: Address

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of now, each with its ``metric`` and its ``value``; none while it starts.

        :raises AssertionError: where Prometheus does not take the expression.
        """
        try:
            answer = fetch(self.address, f"/api/v1/query?query={urllib.parse.quote(expression)}")
        except OSError:
            return []
        if answer.status == 503:
            return []
        assert answer.status == 200, (expression, answer.text)
        found: list[dict[str, Any]] = json.loads(answer.text)["data"]["result"]
        return found


@contextmanager
def running(site: Site, directory: Path) -> Iterator[Prometheus]:
    """One that scrapes a site once a second.

    :param directory: for its configuration and its data.
    """
    page = (CHECKOUT / "docs/howto/monitor.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"^\.\. code-block:: yaml\n\n((?:   .*\n)+)", page, re.MULTILINE)
    assert len(blocks) == 2
    given = textwrap.dedent("".join(blocks)).replace(DOCUMENTED, str(site.stack.configuration))
    file = directory / "prometheus.yml"
    file.write_text(f"global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n{given}")
    checked = subprocess.run(
        ["promtool", "check", "config", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    address = Address("127.0.0.1", site.ports.spare + 2)
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={address}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=site.environment,
    )
    try:
        yield Prometheus(address)
    finally:
        process.terminate()
        process.wait()
