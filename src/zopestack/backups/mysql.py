"""A database in MySQL or MariaDB: their own program dumps it as it is at one moment, blobs too.

A dump is loaded into a new database, and then all tables of both change places in one statement,
since a database of MySQL's cannot be renamed.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from pathlib import Path

from zopestack.backups import programs
from zopestack.backups.beside import Beside
from zopestack.backups.database import Exchange, Say
from zopestack.backups.failed import Problem, said
from zopestack.backups.progress import megabytes, progress, size
from zopestack.backups.relational import TABLE, Relational

#: The file of a backup.
DUMP = "database.sql.gz"

#: What RelStorage calls what a server's programs read from an option file, by their name for it.
OPTIONS = {
    "host": "host",
    "user": "user",
    "password": "passwd",
    "port": "port",
    "socket": "unix_socket",
}

#: As mysqldump has it, all of a row is one packet, and a row may be a blob.
PACKET = "--max-allowed-packet=1G"

#: The programs, as MariaDB calls them and as MySQL does.
CLIENTS, DUMPERS = ("mariadb", "mysql"), ("mariadb-dump", "mysqldump")


class MySQL(Relational):
    """A database of RelStorage in MySQL or MariaDB."""

    @property
    def database(self) -> str:
        """Its name.

        :raises Problem: where nobody says it.
        """
        if name := self.options.get("db"):
            return name
        raise Problem("db in [relstorage] has to say which database is backed up or restored")

    def check(self) -> None:
        """Check that instances have set it up, and that its programs are here."""
        if TABLE not in self.tables(self.database):
            raise Problem(
                f"the database {self.database} has nothing of RelStorage's; scripts/up sets it up"
            )
        self.check_programs()

    def check_programs(self) -> None:
        """Check that a client and what dumps are here."""
        for names in (CLIENTS, DUMPERS):
            _program(names)

    def tables(self, database: str) -> list[str]:
        """The tables of a database of its server; none where there is no such database."""
        return self.ask(
            "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
            "AND table_schema = {} ORDER BY table_name",
            database,
        )

    def ask(self, statement: str, *texts: str) -> list[str]:
        """What the server answers to a statement, a line a row.

        :param texts: what stands for each ``{}``, as a string.
        :raises Problem: where it does not, or there is no client.
        """
        with self._options() as options:
            words = [_program(CLIENTS), options, "--batch", "--skip-column-names"]
            source = BytesIO(_filled(statement, *texts).encode())
            return programs.run(words, source=source).splitlines()

    def copy(self, target: Path, previous: Path | None, say: Say) -> None:
        """Dump it."""
        dump = target / DUMP
        with (
            progress(say, lambda: f"{self.name}: {megabytes(size(dump))} copied"),
            self._options() as options,
            gzip.open(dump, "wb", compresslevel=6) as file,
        ):
            words = [self._dumper(), options, "--single-transaction", "--quick", "--hex-blob"]
            # Tablespaces take a right of the server's, and RelStorage makes its procedures itself.
            words += ["--no-tablespaces", "--skip-triggers", PACKET, self.database]
            programs.run(words, target=file)

    def load(self, dump: Path, database: str) -> None:
        """Load a dump into another database.

        :raises OSError, Problem: where that cannot be done.
        """
        with self._options() as options, gzip.open(dump, "rb") as file:
            try:
                programs.run([_program(CLIENTS), options, PACKET, database], source=file)
            except (EOFError, zlib.error, gzip.BadGzipFile) as why:
                raise Problem(f"{dump} is damaged: {said(why)}") from why

    def exchange(self, copy: Path, stamp: str, say: Say) -> Exchange:
        """What restores it into another database of its server."""
        return _Exchange(self, copy / DUMP, stamp, say)

    def _dumper(self) -> str:
        """The program that belongs to the server: the others do not know all of its tables."""
        (version,) = self.ask("SELECT version()")
        return _program(DUMPERS if "MariaDB" in version else DUMPERS[::-1])

    @contextmanager
    def _options(self) -> Iterator[str]:
        """The option that names a file with the password, which only its owner may read."""
        lines = []
        if own := self.options.get("read_default_file"):
            lines.append(f"!include {own}")
        lines.append("[client]")
        for name, called in OPTIONS.items():
            if text := self.options.get(called):
                escaped = text.replace("\\", "\\\\").replace('"', '\\"')
                lines.append(f'{name} = "{escaped}"')
        with tempfile.NamedTemporaryFile("w", prefix="zopestack-", suffix=".cnf") as file:
            file.write("\n".join([*lines, ""]))
            file.flush()
            yield f"--defaults-extra-file={file.name}"


class _Exchange(Beside):
    def __init__(self, database: MySQL, dump: Path, stamp: str, say: Say) -> None:
        super().__init__(database.name, database.database, dump, stamp, say)
        self.database = database

    def prepare(self, held: ExitStack) -> None:
        super().prepare(held)
        self.undo()
        self._create(self.new)
        dumped = megabytes(size(self.dump))
        with progress(self.say, lambda: f"{self.name}: its dump of {dumped} is loaded"):
            self.database.load(self.dump, self.new)
        # An empty file would be loaded, too.
        if TABLE not in self.database.tables(self.new):
            raise Problem(f"{self.dump} is damaged: it has nothing of RelStorage's")
        # What may fail for want of a right does so now.
        self._create(self.aside)

    def connections(self) -> int:
        (count,) = self.database.ask(
            "SELECT count(*) FROM information_schema.processlist WHERE db = {}", self.old
        )
        return int(count)

    def _create(self, database: str) -> None:
        try:
            self.database.ask(f"CREATE DATABASE IF NOT EXISTS {_name(database)}")
        except Problem as why:
            raise Problem(
                f"{why}. Into {database} is restored; to allow that, have an administrator type: "
                f"GRANT ALL ON {_name(self.old + '%')}.* TO and the user"
            ) from why

    def undo(self) -> None:
        for name in (self.new, self.aside):
            # A server that does not answer has said so.
            with suppress(Problem):
                if name == self.new or not self.database.tables(name):
                    self.database.ask(f"DROP DATABASE IF EXISTS {_name(name)}")

    def put(self) -> Iterator[Path | str]:
        ask, tables = self.database.ask, self.database.tables
        ask(f"CREATE DATABASE IF NOT EXISTS {_name(self.old)}")
        moves = [(self.old, self.aside, table) for table in tables(self.old)]
        kept = bool(moves)
        moves += [(self.new, self.old, table) for table in tables(self.new)]
        pairs = (f"{_name(a)}.{_name(t)} TO {_name(b)}.{_name(t)}" for a, b, t in moves)
        ask(f"RENAME TABLE {', '.join(pairs)}")
        self.undo()
        self.database.forget()
        if kept:
            yield f"the database {self.aside}"


def _program(names: tuple[str, ...]) -> str:
    """The first of some programs that is here.

    :raises Problem: where none is.
    """
    for path in map(shutil.which, names):
        if path:
            return path
    raise Problem(
        f"{' or '.join(names)} is needed, and none is on the PATH: install mariadb-client or "
        "mysql-client"
    )


def _filled(statement: str, *texts: str) -> str:
    return statement.format(*map(_text, texts)) if texts else statement


def _text(text: str) -> str:
    """A string in a statement (MySQL's manual, "String Literals")."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _name(name: str) -> str:
    """A name in a statement (MySQL's manual, "Schema Object Names")."""
    return "`" + name.replace("`", "``") + "`"
