"""A ZEO server that the stack does not run, as on another machine: empty when it is first asked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import ledger
from tests.support.harness import Site, until
from zopestack.features.address import Address
from zopestack.supervisor import zeo
from zopestack.supervisor.health import ask
from zopestack.supervisor.readiness import listens

CONF = """
<zeo>
  address 127.0.0.1:{port}
</zeo>
<filestorage 1>
  path {directory}/Data.fs
  blob-dir {directory}/blobs
</filestorage>
<filestorage other>
  path {directory}/other.fs
  blob-dir {directory}/other-blobs
</filestorage>
"""

BLOB = """
import transaction
from ZODB.blob import Blob
app.other.file = Blob(b"x" * 5000)
transaction.commit()
"""


class Elsewhere:
    """The server."""

    def __init__(self, directory: Path, port: int) -> None:
        self.address = Address("127.0.0.1", port)
        self.conf = directory / "zeo.conf"
        self.conf.write_text(CONF.format(port=port, directory=directory), encoding="utf-8")
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", zeo.__name__, "-C", self.conf]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until("ZEO", lambda: listens(self.address))

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Elsewhere]]:
    with ExitStack() as stack:
        options = {"storage": "external", "databases": "\n    other = /other"}
        site = stack.enter_context(Site(ledger.SECTIONS, instances=2, **options))
        server = Elsewhere(tmp_path_factory.mktemp("zeo"), site.ports.zeo)
        stack.callback(server.kill)
        site.start()
        ledger.create(site, 1)
        yield site, server


def reasons(site: Site) -> list[str]:
    return [report.why if (report := ask(each)) else "" for each in site.stack.instances]


def run(site: Site, text: str) -> str:
    file = site.directory / "script.py"
    file.write_text(text, encoding="utf-8")
    return site.run(site.stack.bin / "instance1", "run", file).stdout


def test_one_instance_sets_it_up_and_nobody_dies(both: tuple[Site, Elsewhere]) -> None:
    site, _ = both
    log = site.log("supervisord.log")
    assert [log.count(f"spawned: '{each.name}'") for each in site.stack.instances] == [1, 1]
    assert "zeo" not in site.pids()
    assert site.get("/acl_users/manage_main", login=site.admin).status == 200
    assert site.get("/other").status == 200
    assert not site.stack.database.exists()


def test_blobs_are_copies(both: tuple[Site, Elsewhere]) -> None:
    site, _ = both
    run(site, BLOB)
    cache = site.stack.blobs_of(site.stack.databases.databases[0])
    shutil.rmtree(cache)
    cache.mkdir()
    assert "LENGTH 5000" in run(site, "print('LENGTH', len(app.other.file.open().read()))")
    assert [path.stat().st_size for path in cache.rglob("*.blob")] == [5000]


def test_without_it_the_instances_say_so_and_come_back(both: tuple[Site, Elsewhere]) -> None:
    site, server = both
    server.kill()
    gone = ["storage unreachable: main, other"] * 2
    until("the agents to notice", lambda: reasons(site), gone.__eq__)
    server.start()
    site.wait_ready()
    for number in range(10):
        for at in ("instance1", "instance2"):
            path = "/ledger/record"
            assert site.post(path, {"visitor": "0", "number": str(number)}, at=at).status == 200
    assert ledger.read(site)["0"] == dict.fromkeys(range(10), 2)
