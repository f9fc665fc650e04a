"""Sites of RelStorage that are backed up while visitors write, lose all, and are restored."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support import ledger
from tests.support.database_server import DatabaseServer
from tests.support.harness import Site
from tests.support.mariadb import MariaDB
from tests.support.polling import until
from tests.support.postgres import Postgres
from tests.support.writers import WRITERS, Writers
from zopestack.backups import catalog
from zopestack.supervisor import daemon

Records = dict[str, set[int]]

#: By kind, its server and the egg of its driver.
KINDS = {"postgresql": (Postgres, "psycopg2-binary"), "mysql": (MariaDB, "PyMySQL"), "sqlite3": ()}

#: Who writes at one instance after the other.
ALONE = str(WRITERS)


@dataclass(frozen=True)
class Kept:
    """A running site, and the server that keeps its database, if one does."""

    site: Site
    server: DatabaseServer | None


@dataclass(frozen=True)
class Past:
    """What was confirmed before the last backup began, and at the end.

    :param says: what ``bin/pack`` has said.
    """

    before: Records
    end: Records
    says: str


@pytest.fixture(scope="module", params=KINDS)
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    kind, *egg = KINDS[request.param] or (None,)
    server = kind() if kind else None
    if server:
        server.create("main")
    options = server.section("main") if server else {"type": request.param}
    lines = [f"extra-paths = {ledger.CODE}", "eggs =", *(f"    {each}" for each in ("Zope", *egg))]
    reached = (f"{name} = {text}" for name, text in options.items())
    sections = "\n".join(["[instance]", *lines, "[relstorage]", *reached, ""])
    schedule = {"backup": "daily 02:30 keep 3", "pack": "weekly keep 0d"}
    with Site(sections, instances=2, storage="relstorage", **schedule) as site:
        site.start()
        ledger.create(site, WRITERS + 1)
        yield Kept(site, server)
    if server:
        server.stop()


@pytest.fixture(scope="module")
def past(kept: Kept) -> Past:
    """Two backups while visitors write, the last one after a pack; then they stop."""
    site = kept.site
    with Writers(site) as writers:
        writers.wait_more()
        site.run("bin/backup")
        writers.wait_more()
        says = site.run("bin/pack").stdout
        writers.wait_more()
        before = writers.so_far()
        site.run("bin/backup")
        writers.wait_more()
    return Past(before, writers.so_far(), says)


def record(site: Site, number: int, at: str) -> None:
    """A record with a blob, at one instance."""
    fields = {"visitor": ALONE, "number": str(number)}
    assert site.post("/ledger/attach", fields, at=at).text == f"recorded {number}"


def test_a_running_stack_is_not_restored(kept: Kept, past: Past) -> None:
    done = kept.site.run("bin/restore", check=False)
    assert done.returncode == 1
    assert "the stack runs (supervisord, pid " in done.stdout


def test_both_jobs_are_known_and_in_the_schedule(kept: Kept, past: Past) -> None:
    said = kept.site.supervisorctl("stack", check=True).stdout.splitlines()
    assert [line.partition(":")[0] for line in said[-2:]] == ["backup", "pack"]
    assert all("; next " in line and "FAILED" not in line for line in said[-2:])
    assert "main is packed" in past.says
    assert kept.site.states()["schedule"] == "RUNNING"


def test_nothing_is_for_other_users(kept: Kept, past: Past) -> None:
    made = [*kept.site.stack.backups.backup_directory.rglob("*"), kept.site.stack.jobs_file]
    assert len(made) > len(catalog.own(kept.site.stack)) * 3
    assert [path for path in made if path.stat().st_mode & 0o007] == []


def test_all_is_lost_and_restored(kept: Kept, past: Past) -> None:
    """Last of each site."""
    site = kept.site
    site.supervisorctl("shutdown", check=True)
    until("the end", lambda: daemon.pid(site.stack.supervisor_socket), lambda pid: pid is None)
    if kept.server:
        kept.server.drop("main")
    shutil.rmtree(site.stack.var)
    site.buildout()
    site.run("bin/restore")
    site.launch(site.patience)
    # Visitors go on as if nothing had been; what is saved at one is seen at the other.
    for number in range(10):
        record(site, number, "instance1")
        record(site, number, "instance2")
    books, blobs = ledger.read(site), ledger.attached(site)
    assert books.pop(ALONE) == dict.fromkeys(range(10), 2)
    assert blobs.pop(ALONE) == {*range(10)}
    for visitor, book in books.items():
        assert past.before[visitor] <= {*book} <= past.end[visitor]
        assert {*book.values()} == {1}
        assert blobs[visitor] == {*book}
    # The users are those of the backup.
    assert site.get("/acl_users/manage_main", login=site.admin).status == 401
