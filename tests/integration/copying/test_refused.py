"""What bin/copy-storage does not do, and why it says so."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.copying import (
    FILLED,
    SQLITE,
    ZEO,
    both,
    configured,
    copied,
    database,
    external,
    fill,
    postgres,
    records,
    refused,
    write,
)
from tests.support.elsewhere import Elsewhere
from tests.support.postgres import Postgres
from zopestack.copying import known


def test_what_is_not_empty_stays_unless_it_may_go(home: Path, two: Postgres) -> None:
    old = configured(home, ZEO)
    fill(old)
    stack = configured(home, postgres(two))
    write(stack, "mine", "mine", "other")
    said = refused(stack)
    assert "the target is not empty: other has a database. bin/copy-storage --clear" in said
    assert (records(stack), records(stack, "other")) == ({}, {"mine": "mine"})
    copied(stack, "--clear")
    assert both(stack) == FILLED


def test_one_database_by_two_addresses(home: Path, two: Postgres) -> None:
    old = configured(home, postgres(two))
    fill(old)
    other = f"{two.home}/."
    stack = configured(home, postgres(two, host=other))
    assert "main: the source and the target are the same" in refused(stack, "--clear")
    assert both(old) == FILLED


def test_one_file_by_two_names(home: Path) -> None:
    old = configured(home, ZEO)
    fill(old)
    (home / "link").symlink_to(home / "var")
    stack = configured(home, ZEO, var="link")
    text = known.found(old.storages)[-1].text
    (home / "source.conf").write_text(text)
    said = refused(stack, "--clear", "--from", str(home / "source.conf"))
    assert "main: the source and the target are the same" in said
    assert both(old) == FILLED


def test_a_database_that_is_open_is_not_copied(home: Path, two: Postgres) -> None:
    old = configured(home, ZEO)
    fill(old)
    with database(old):
        said = refused(configured(home, postgres(two)))
    assert "main: another program has" in said


def test_a_database_without_a_line_is_not_left_behind(home: Path, two: Postgres) -> None:
    fill(configured(home, ZEO))
    sections = {"relstorage": postgres(two)["relstorage"]}
    said = refused(configured(home, sections, databases=""))
    assert "other: [stack] databases does not name it, so it would be left behind" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "no other storage is known that this stack has had. Set [stack] to the one it had"),
        (("--from", "7"), "--from 7: expected 1, or a file (No such file or directory)"),
        (("--from", "1"), "main: the source and the target are the same"),
        (("--from", "/dev/null"), "/dev/null describes no storages"),
    ],
)
def test_what_cannot_be_the_source(home: Path, arguments: tuple[str, ...], says: str) -> None:
    stack = configured(home, ZEO)
    fill(stack)
    assert says in refused(stack, *arguments)


def test_nothing_is_copied_from_nothing(home: Path, two: Postgres) -> None:
    configured(home, ZEO)
    stack = configured(home, postgres(two))
    assert f"main: there is no {home}/var/filestorage/Data.fs" in refused(stack)
    assert "main: there is nothing to copy" in refused(configured(home, SQLITE))


def test_a_wrong_password(home: Path, two: Postgres) -> None:
    fill(configured(home, ZEO))
    stack = configured(home, postgres(two, password="$ecret too"))
    said = refused(stack)
    assert 'password authentication failed for user "zope"' in said
    assert "ecret" not in said


def test_no_answer(home: Path, elsewhere: Elsewhere) -> None:
    fill(configured(home, ZEO))
    stack = external(home, elsewhere.address)
    elsewhere.process.send_signal(signal.SIGKILL)
    hurry = (
        "from ZEO import ClientStorage as module\n"
        "wait = module.ClientStorage.__init__\n"
        "def hurried(*a, **k): wait(*a, **{**k, 'wait_timeout': 1})\n"
        "module.ClientStorage.__init__ = hurried\n"
    )
    assert f"main: no answer from ZEO at {elsewhere.address}" in refused(stack, before=hurry)


@pytest.mark.parametrize(("module", "egg"), [("relstorage", "relstorage"), ("psycopg2", "a")])
def test_a_missing_egg(home: Path, two: Postgres, module: str, egg: str) -> None:
    fill(configured(home, postgres(two)))
    stack = configured(home, ZEO)
    said = refused(stack, before=f"import sys; sys.modules[{module!r}] = None")
    assert f"no egg has {egg} " in said.replace(";", " ")
    assert "under eggs" in said
