"""A database in SQLite, copied with SQLite's own online backup while others write.

Beside it is a file with the last number that was given to an object, which is not in the database:
a lower one would have two objects with one number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from zopestack.backups.database import Exchange, Say
from zopestack.backups.failed import Failed, Problem, said
from zopestack.backups.links import keep
from zopestack.backups.progress import megabytes, progress, size
from zopestack.backups.relational import TABLE, Relational
from zopestack.initial.sqlite import MAIN, NUMBERS

#: Pages that are copied before anything else is heard.
STEP = 1000

#: Seconds to wait for whoever has a file to himself for a moment.
PATIENCE = 30.0


class SQLite(Relational):
    """A database of RelStorage in SQLite."""

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return Path(self.options["data-dir"])

    def check(self) -> None:
        """Check that it is there."""
        if not (self.directory / MAIN).exists():
            raise Failed(f"there is no database at {self.directory / MAIN}; scripts/up makes one")

    def check_programs(self) -> None:
        """Nothing: SQLite is a part of Python."""

    def copy(self, target: Path, previous: Path | None, say: Say) -> None:
        """Copy it as it is at one moment, and then the numbers, which only grow."""
        copy = target / MAIN
        with progress(say, lambda: f"{self.name}: {megabytes(size(copy))} copied"):
            for name in (MAIN, NUMBERS):
                _copy(self.directory / name, target / name)

    def exchange(self, copy: Path, stamp: str, say: Say) -> Exchange:
        """What puts it in the place of the file."""
        return _Exchange(self, copy, stamp, say)


class _Exchange(Exchange):
    def __init__(self, database: SQLite, copy: Path, stamp: str, say: Say) -> None:
        self.database = database
        self.copy = copy
        self.say = say
        # The file may be a link to another disk.
        self.path = (database.directory / MAIN).resolve()
        self.numbers = (database.directory / NUMBERS).resolve()
        self.new = self.path.with_name(f"{MAIN}.restoring")
        self.new_numbers = self.numbers.with_name(f"{NUMBERS}.restoring")
        self.aside = self.path.with_name(f"{MAIN}.before-restore-{stamp}")

    def prepare(self, held: ExitStack) -> None:
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        _close(self.path)
        with progress(
            self.say, lambda: f"{self.database.name}: {megabytes(size(self.new))} restored"
        ):
            for source, target in ((MAIN, self.new), (NUMBERS, self.new_numbers)):
                target.unlink(missing_ok=True)
                _copy(self.copy / source, target)
                _check(target, self.copy / source)

    def undo(self) -> None:
        self.new.unlink(missing_ok=True)
        self.new_numbers.unlink(missing_ok=True)

    def put(self) -> Iterator[Path | str]:
        # First, since a higher number harms neither of the two.
        if _last(self.numbers) < _last(self.new_numbers):
            self.new_numbers.replace(self.numbers)
        self.new_numbers.unlink(missing_ok=True)
        if self.path.exists():
            keep(self.path, self.aside)
            yield self.aside
        # Of a file that is damaged; another one is closed, and has none.
        for end in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{end}").rename(f"{self.aside}{end}")
        self.new.replace(self.path)


def _copy(source: Path, target: Path) -> None:
    """Copy a database as it is now.

    :raises Problem: where SQLite cannot do that.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", PATIENCE, uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            # Without a moment of its own, it would begin again whenever somebody writes.
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_master").fetchall()
            old.backup(new, pages=STEP)
    except sqlite3.Error as why:
        raise Problem(f"{source}: {said(why)}") from why


def _check(copy: Path, source: Path) -> None:
    """Check that a copy is whole.

    :raises Problem: where it is not.
    """
    try:
        with closing(sqlite3.connect(copy)) as opened:
            (found,) = opened.execute("PRAGMA integrity_check(1)").fetchone()
            # An empty file is a database, too.
            tables = {name for (name,) in opened.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as why:
        found = why
    else:
        if found == "ok" and not tables & {TABLE, "new_oid"}:
            found = "it has nothing of RelStorage's"
    if found != "ok":
        raise Problem(f"{source} is damaged: {said(found)}")


def _close(path: Path) -> None:
    """Have a database that nobody uses be one file, with all that was committed.

    :raises Failed: where another program has it open.
    """
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, 0)) as opened:
            # Only possible where nobody else has it open (SQLite's manual, "Write-Ahead
            # Logging").
            opened.execute("PRAGMA journal_mode = DELETE").fetchall()
    except sqlite3.OperationalError as why:
        if getattr(why, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
            raise Failed(f"another program has {path} open") from why
    except sqlite3.DatabaseError:
        # A damaged one is kept as it is.
        return


def _last(numbers: Path) -> int:
    """The last number of an object; -1 where there is none that can be read."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{numbers.as_uri()}?mode=ro", uri=True)) as opened,
    ):
        (found,) = opened.execute("SELECT max(zoid) FROM new_oid").fetchone()
        return -1 if found is None else int(found)
    return -1
