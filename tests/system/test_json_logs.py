"""A stack whose logs are JSON: every line of them, and whoever reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.harness import Site, until
from tests.system.one_site.test_request_id import BROKEN


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(instances=2, log_format="json", log_size="20kB") as running:
        running.start()
        running.post(
            "/manage_addProduct/PageTemplates/manage_addPageTemplate", BROKEN, login=running.admin
        )
        yield running


def records(site: Site, program: str) -> list[dict[str, Any]]:
    """A log and those of before, the oldest first."""
    files = site.stack.logs.glob(f"{program}.log*")
    oldest_first = sorted(files, key=lambda path: path.stat().st_mtime)
    text = "".join(path.read_text("ascii") for path in oldest_first)
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def broken(site: Site, path: str) -> dict[str, Any]:
    """The line of a request that fails."""
    assert site.get(path).status == 500

    def line() -> dict[str, Any] | None:
        return next((each for each in records(site, "access") if each["url"] == path), None)

    found = until("the request in HAProxy's log", line)
    assert found
    return found


def test_an_error_has_the_number_of_its_request_in_both(site: Site) -> None:
    line = broken(site, "/broken?x=1")
    (error,) = (each for each in records(site, line["instance"]) if each.get("id") == line["id"])
    assert error["level"] == "ERROR"
    assert re.fullmatch(r"waitress-\d+|MainThread", error["thread"])
    assert "ZeroDivisionError: division by zero" in error["exception"]
    # From the start of the process, before there is an agent.
    assert records(site, line["instance"])[0]["message"]

    told = site.supervisorctl("trace", line["id"], check=True).stdout
    for said in (
        f"request {line['id']}\n",
        "asked      GET /broken?x=1 HTTP/1.1\n",
        f"logged by {line['instance']}\n",
        f"id={line['id']}] ",
        "    ZeroDivisionError: division by zero",
    ):
        assert said in told


def test_all_as_one_are_in_the_order_of_time(site: Site) -> None:
    line = broken(site, "/broken?x=2")
    told = site.supervisorctl("logs", "-n", "200", "access", line["instance"], check=True).stdout
    shown = [each.split(" | ", 1) for each in told.splitlines()]
    # What an instance prints stays text, and is shown among them.
    found = [(name.strip(), json.loads(text)) for name, text in shown if text.startswith("{")]
    assert {name for name, _ in found} == {"access", line["instance"]}
    times = [each["time"] for _, each in found]
    assert times == sorted(times)


def test_rotated_logs_are_whole_lines(site: Site) -> None:
    path = f"/broken?x={'y' * 2000}"
    line = broken(site, path)
    for _ in range(30):
        site.get(path, at=line["instance"])
        site.get(path)
    until("rotation", lambda: len([*site.stack.logs.glob("access.log.*")]))
    assert [*site.stack.logs.glob(f"{line['instance']}.log.*")]
    assert len(records(site, "access")) > 3
    assert len(records(site, line["instance"])) > 3


def test_what_it_goes_back_to(site: Site) -> None:
    """``trace`` reads a log of both forms."""
    line = broken(site, "/broken?x=3")
    site.set(log_format="text")
    site.configure(site.sections)
    site.buildout()
    site.supervisorctl("update", check=True)
    site.wait_ready()
    assert site.get("/broken?x=4").status == 500
    until("a line of text", lambda: ' "GET /broken?x=4 HTTP/1.1" 500 ' in site.log("access.log"))
    told = site.supervisorctl("trace", line["id"], check=True).stdout
    assert "asked      GET /broken?x=3 HTTP/1.1\n" in told
