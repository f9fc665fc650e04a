"""Who mounts another database, where several instances start at once, and where nobody can."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import freeports
from tests.support.polling import until
from tests.support.started import Started
from zopestack import files
from zopestack.features.address import Address
from zopestack.supervisor import database, zeo
from zopestack.supervisor.readiness import listens

#: The databases, and where each is mounted. Each has a file of its name.
PATHS = {
    "1": ["/"],
    "other": ["/other", "/missing/other", "/index_html", "/title"],
    "late": ["/late"],
}

STORAGE = """
<filestorage {name}>
  path {directory}/{name}.fs
</filestorage>
"""

DATABASE = """
<zodb_db {name}>
  <zeoclient>
    server 127.0.0.1:{port}
    storage {name}
  </zeoclient>
  {mounts}
</zodb_db>
"""

#: An instance that has started, and does what it is told to.
PROGRAM = """
import json, sys
import transaction, Zope2
from contextlib import contextmanager
from ZEO.ClientStorage import ClientStorage
from Zope2.Startup.run import configure_wsgi
from zopestack.agent import mounts, own_thread, storage

said = []
mounts.logger.info = lambda *text: said.append(text)
configure_wsgi(sys.argv[1])
Zope2.app()._p_jar.close()

def tell(answer):
    print(json.dumps(answer), flush=True)

@contextmanager
def site():
    storage.synchronize()
    application = Zope2.app()
    yield application
    transaction.commit()
    application._p_jar.close()

tell("ready")
for line in sys.stdin:
    exec(json.loads(line))
"""

MAKE = "mounts.make({!r}); tell(len(said))"
OF = "with site() as app: tell(app.other._p_jar.db().database_name)"
FAILED = "tell(list(own_thread.failed.values()))"
ADD = "with site() as app: app{}.manage_addFolder({!r})\ntell('')"
LIST = "with site() as app: tell(app{}.objectIds())"
EMPTY = "with site() as app: app._p_jar.get_connection('other').root().clear()\ntell('')"

#: As after a start: nothing of a database is known.
FORGET = "Zope2.DB.cacheMinimize(); tell('')"

SYNCHRONIZE = "storage.synchronize(); tell('')"

#: Another instance sees what is committed to the first database, and not yet what to this.
STOP_BETWEEN = """
finish = ClientStorage.tpc_finish
def stopped(self, *given):
    if self._storage == "late":
        ClientStorage.tpc_finish = finish
        tell("between")
        sys.stdin.readline()
    return finish(self, *given)
ClientStorage.tpc_finish = stopped
tell("")
"""

#: Tell what a look has found, before anything is made of it.
TELL_LOOK = """
look = mounts._mounted
def told(*given):
    mounts._mounted = look
    found = look(*given)
    tell(found)
    return found
mounts._mounted = told
tell("")
"""


class Instance:
    """One that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def begin(self, text: str, *values: object) -> None:
        """Have it run some lines of Python."""
        assert self.process.stdin
        print(json.dumps(text.format(*values)), file=self.process.stdin, flush=True)

    def told(self) -> Any:
        """What it tells next."""
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def run(self, text: str, *values: object) -> Any:
        """What it tells of some lines of Python."""
        self.begin(text, *values)
        return self.told()


@pytest.fixture(scope="module")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Instance]]:
    """Several that have all tried to mount the same database at once."""
    home = tmp_path_factory.mktemp("mounts")
    files.create_password(home / "admin-password")
    with ExitStack() as stack:
        ports = freeports.reserve()
        stack.callback(ports.release)
        write_files(home, ports.zeo)
        command = [sys.executable, "-m", database.__name__, "root", home / "admin-password"]
        command += [*(home / f"{name}.fs" for name in PATHS), "--"]
        command += [sys.executable, "-m", zeo.__name__, "-C", home / "zeo.conf"]
        server = stack.enter_context(Started(command, stderr=subprocess.DEVNULL))
        stack.callback(server.kill)
        until("ZEO", lambda: listens(Address("127.0.0.1", ports.zeo)))
        asked = [sys.executable, "-c", PROGRAM, home / "zope.conf"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started = [
            Instance(stack.enter_context(Started(asked, text=True, **pipes))) for _ in range(4)
        ]
        for each in started:
            # One may wait for another that is in the midst of a commit.
            stack.callback(each.process.kill)
        assert [each.told() for each in started] == ["ready"] * len(started)
        for each in started:
            each.begin(MAKE, PATHS["other"])
        yield started


def write_files(home: Path, port: int) -> None:
    served = f"<zeo>\n  address 127.0.0.1:{port}\n</zeo>\n"
    opened = f"instancehome {home}\n"
    for name, paths in PATHS.items():
        mounts = "\n  ".join(f"mount-point {path}" for path in paths)
        served += STORAGE.format(name=name, directory=home)
        opened += DATABASE.format(name=name, port=port, mounts=mounts)
    (home / "zeo.conf").write_text(served, encoding="utf-8")
    (home / "zope.conf").write_text(opened, encoding="utf-8")


def test_one_of_them_makes_the_object_and_all_see_the_database(instances: list[Instance]) -> None:
    assert sorted(each.told() for each in instances) == [0, 0, 0, 1]
    assert {each.run(OF) for each in instances} == {"other"}


def test_what_cannot_be_mounted_is_told(instances: list[Instance]) -> None:
    taken = "the main database has an object there; export it, delete it, restart an instance, "
    for each in instances:
        assert each.run(FAILED) == [
            "mount point /missing/other: there is no /missing yet; restart an instance when there "
            "is",
            f"mount point /index_html: {taken}and import it",
            f"mount point /title: {taken}and import it",
        ]


def test_all_see_what_each_saves(instances: list[Instance]) -> None:
    check_saved(instances, ".other")


def test_all_see_what_each_saves_where_the_database_is_new(instances: list[Instance]) -> None:
    """Such as with a backup of the main database alone."""
    instances[0].run(EMPTY)
    for each in instances:
        each.run(FORGET)
    for each in instances:
        each.begin(MAKE, ["/other"])
    assert sorted(each.told() for each in instances) == [0, 0, 0, 1]
    check_saved(instances, ".other")


def test_all_see_what_each_saves_where_one_looks_while_another_commits(
    instances: list[Instance],
) -> None:
    """The commit to several databases is one to each after the other."""
    first, second, *_ = instances
    first.run(STOP_BETWEEN)
    first.begin(MAKE, ["/late"])
    assert first.told() == "between"
    # What the first one has committed may still be on its way.
    second.run(SYNCHRONIZE)
    second.run(TELL_LOOK)
    second.begin(MAKE, ["/late"])
    # The object is there, and the folder that it shows is not.
    assert second.told() is True
    first.begin("")
    for each in (first, second):
        each.told()
    check_saved([first, second], ".late")


def check_saved(instances: list[Instance], path: str) -> None:
    names = [f"folder{number}" for number, _ in enumerate(instances)]
    for each, name in zip(instances, names, strict=True):
        each.run(ADD, path, name)
    assert [each.run(LIST, path) for each in instances] == [names] * len(instances)
