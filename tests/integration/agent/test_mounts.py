"""Who mounts another database, where several instances start at once, and where nobody can."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack

import pytest

from tests.support import freeports
from tests.support.polling import until
from zopestack import files
from zopestack.features.address import Address
from zopestack.supervisor import database, zeo
from zopestack.supervisor.readiness import listens

ZEO_CONF = """
<zeo>
  address 127.0.0.1:{port}
</zeo>
<filestorage 1>
  path {directory}/Data.fs
</filestorage>
<filestorage other>
  path {directory}/other.fs
</filestorage>
"""

PATHS = ("/other", "/missing/other", "/index_html", "/title")

ZOPE_CONF = """
instancehome {directory}
<zodb_db main>
  mount-point /
  <zeoclient>
    server 127.0.0.1:{port}
    storage 1
  </zeoclient>
</zodb_db>
<zodb_db other>
  <zeoclient>
    server 127.0.0.1:{port}
    storage other
  </zeoclient>
  {mounts}
</zodb_db>
"""

#: An instance that has started, and mounts when it is told to.
INSTANCE = """
import json, logging, sys
import Zope2
from Zope2.Startup.run import configure_wsgi
from zopestack.agent import mounts, own_thread

said = []
mounts.logger.info = lambda *text: said.append(text)
configure_wsgi(sys.argv[1])
Zope2.app()._p_jar.close()
print("ready", flush=True)
input()
mounts.make(json.loads(sys.argv[2]))
app = Zope2.app()
print(json.dumps({
    "made": len(said),
    "of": app.other._p_jar.db().database_name,
    "failed": list(own_thread.failed.values()),
}))
"""

INSTANCES = 4


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """What several instances say that mount at once."""
    home = tmp_path_factory.mktemp("mounts")
    files.create_password(home / "admin-password")
    with ExitStack() as stack:
        ports = freeports.reserve()
        stack.callback(ports.release)
        mounts = "\n  ".join(f"mount-point {path}" for path in PATHS)
        names = {"port": ports.zeo, "directory": home, "mounts": mounts}
        for name, text in (("zeo.conf", ZEO_CONF), ("zope.conf", ZOPE_CONF)):
            (home / name).write_text(text.format(**names), encoding="utf-8")
        command = [sys.executable, "-m", database.__name__, "root", home / "admin-password"]
        command += [home / "Data.fs", home / "other.fs", "--"]
        command += [sys.executable, "-m", zeo.__name__, "-C", home / "zeo.conf"]
        server = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        stack.callback(server.kill)
        until("ZEO", lambda: listens(Address("127.0.0.1", ports.zeo)))
        asked = [sys.executable, "-c", INSTANCE, home / "zope.conf", json.dumps(PATHS)]
        started = [
            stack.enter_context(
                subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(INSTANCES)
        ]
        for each in started:
            assert each.stdout
            assert each.stdout.readline() == "ready\n"
        for each in started:
            assert each.stdin
            each.stdin.write("\n")
            each.stdin.flush()
        return [json.loads(each.communicate()[0]) for each in started]


def test_one_of_them_makes_the_object_and_all_see_the_database(
    found: list[dict[str, object]],
) -> None:
    assert sorted(str(each["made"]) for each in found) == ["0"] * (INSTANCES - 1) + ["1"]
    assert {each["of"] for each in found} == {"other"}


def test_what_cannot_be_mounted_is_told(found: list[dict[str, object]]) -> None:
    taken = "the main database has an object there; export it, delete it, restart an instance, "
    for each in found:
        assert each["failed"] == [
            "mount point /missing/other: there is no /missing yet; restart an instance when there "
            "is",
            f"mount point /index_html: {taken}and import it",
            f"mount point /title: {taken}and import it",
        ]
