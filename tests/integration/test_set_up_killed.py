"""A first start that is killed leaves a database that the next one sets up, or refuses."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.killer import ROWS, TABLES, killer
from tests.support.opener import FIRST, opener, said
from tests.support.relational import KINDS, NUMBERS, Kept, Servers
from zopestack import files
from zopestack.initial.sqlite import MAIN

#: What kills a first start at some moments of it: RelStorage makes tables, and then their first
#: rows; the content is stored.
MOMENTS = {
    "tables": killer(TABLES),
    "rows": killer(ROWS),
    "content": killer("zopestack.initial.content._store"),
}

#: The second of the two files of SQLite is put in its place.
FILES = {"files": killer("pathlib.Path.replace", 2)}

#: The tables of MySQL that are there at these moments stay, without what is stored in them last.
REFUSED = [("mysql", "tables"), ("mysql", "rows")]


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest, home: Path, servers: Servers) -> Kept:
    return new(home / "a", request.param, servers)


def new(home: Path, kind: str, servers: Servers) -> Kept:
    """A stack whose database nobody has opened yet."""
    home.mkdir()
    made = Kept(home, kind, servers[kind], f"main{next(NUMBERS)}")
    files.create_password(made.stack.password_file)
    return made


def kill(kept: Kept, moment: str) -> None:
    """Kill a first start at a moment."""
    killed = opener(kept.stack.database_conf, (MOMENTS | FILES)[moment])
    err = killed.communicate("\n")[1]
    assert killed.returncode == -signal.SIGKILL, err


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_it_leaves_is_set_up_or_refused(kept: Kept, moment: str) -> None:
    kill(kept, moment)
    again = opener(kept.stack.database_conf)
    out, err = again.communicate("\n")
    if (kept.kind, moment) in REFUSED:
        assert again.returncode == 1
        assert "the tables of this empty database are incomplete" in err
    else:
        # Without a history, a transaction has no description.
        first = "['']\n" if kept.kind == "mysql" else FIRST
        assert out == "ready\n" + first, err


@pytest.mark.parametrize("moment", [*MOMENTS, *FILES])
def test_of_sqlite_it_leaves_nothing_half_made(home: Path, moment: str) -> None:
    killed, undisturbed = (new(home / name, "sqlite3", Servers()) for name in "ab")
    kill(killed, moment)
    assert not (place(killed) / MAIN).exists()
    for each in (killed, undisturbed):
        assert said(opener(each.stack.database_conf)) == "ready\n" + FIRST
    assert contents(place(killed)) == contents(place(undisturbed))


def place(kept: Kept) -> Path:
    """The directory of a database of SQLite."""
    return kept.stack.var / "relstorage"


def contents(directory: Path) -> dict[str, set[str]]:
    """Names of files, and of the tables and indexes in each."""
    return {file.name: indexes(file) for file in directory.iterdir()}


def indexes(file: Path) -> set[str]:
    """The names of what a file of SQLite has."""
    with closing(sqlite3.connect(file)) as database:
        return {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
