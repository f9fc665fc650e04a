"""A database in PostgreSQL: pg_dump copies it as it is at one moment, its blobs included.

A copy is restored into a new database, which then takes the name of the old one, in one transaction
of the server's. Into the old one it could not be: blobs in the database have numbers of their own
for the whole of it (PostgreSQL's manual, "Large Objects"), and to replace many of them in one
transaction takes a lock for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path

from zopestack.backups.beside import Beside
from zopestack.backups.database import Exchange, Say
from zopestack.backups.failed import Problem, Unanswered
from zopestack.backups.postgresql_server import Server, program, quoted
from zopestack.backups.progress import megabytes, progress, size
from zopestack.backups.relational import TABLE, Relational

#: The file of a backup, in pg_dump's custom format.
DUMP = "database.dump"

#: A database that every server has, for what cannot be done from inside of the stack's.
OTHER = "postgres"


class PostgreSQL(Relational):
    """A database of RelStorage in PostgreSQL."""

    @cached_property
    def server(self) -> Server:
        """The server that has it."""
        return Server.of(self.options.get("dsn", ""))

    def check(self) -> None:
        """Check that instances have set it up, and that its programs are here."""
        with self.server.connected() as cursor:
            cursor.execute("SELECT current_database(), to_regclass(%s)", [TABLE])
            database, table = cursor.fetchone()
        if not table:
            raise Problem(
                f"the database {database} has nothing of RelStorage's; scripts/up sets it up"
            )
        self.check_programs()

    def check_programs(self) -> None:
        """Check that pg_dump and pg_restore are here, for the version of the server."""
        least = 0
        with suppress(Unanswered):
            least = self.server.version
        for name in ("pg_dump", "pg_restore"):
            program(name, least)

    def copy(self, target: Path, previous: Path | None, say: Say) -> None:
        """Have pg_dump copy it."""
        dump = target / DUMP

        def copied() -> str:
            return f"{self.name}: {megabytes(size(dump))} copied"

        with progress(say, copied):
            self.server.run("pg_dump", "--format=custom", f"--file={dump}")

    def exchange(self, copy: Path, stamp: str, say: Say) -> Exchange:
        """What restores it into another database of its server."""
        return _Exchange(self, copy / DUMP, stamp, say)


class _Exchange(Beside):
    def __init__(self, database: PostgreSQL, dump: Path, stamp: str, say: Say) -> None:
        if not (old := database.server.words.get("dbname")):
            raise Problem("dsn has to say with dbname which database is restored")
        super().__init__(database.name, old, dump, stamp, say)
        self.database = database
        self.server = database.server.at(OTHER)

    def prepare(self, held: ExitStack) -> None:
        super().prepare(held)
        self._check_rights()
        program("pg_restore", self.server.version)
        self._alone("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.new)
        self._alone("CREATE DATABASE {} TEMPLATE template0", self.new)
        new = self.server.at(self.new)
        with progress(self.say, lambda: f"{self.name}: {self._restored()} restored"):
            new.run("pg_restore", "--exit-on-error", "--no-owner", "--no-acl", str(self.dump))
            # What the server plans by is not in a dump.
            with new.connected() as cursor:
                cursor.execute("ANALYZE")

    def connections(self) -> int:
        with self.server.connected() as cursor:
            # The server ends its own, such as that of autovacuum, for a renaming.
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = %s AND backend_type = 'client backend'",
                [self.old],
            )
            return int(cursor.fetchone()[0])

    def _check_rights(self) -> None:
        with self.server.connected() as cursor:
            cursor.execute(
                "SELECT rolname, rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            )
            role, creates = cursor.fetchone()
            if not creates:
                raise Problem(
                    f"the role {role} may not create a database to restore into. Have a superuser "
                    f'type: ALTER ROLE "{role}" CREATEDB; and, after the restore, NOCREATEDB'
                )
            cursor.execute(
                "SELECT pg_has_role(datdba, 'USAGE'), pg_get_userbyid(datdba) "
                "FROM pg_database WHERE datname = %s",
                [self.old],
            )
            owned, owner = cursor.fetchone() or (True, role)
        if not owned:
            raise Problem(
                f"the database {self.old} belongs to {owner}, and {role} may not rename it. Have a "
                f'superuser type: ALTER DATABASE "{self.old}" OWNER TO "{role}"'
            )

    def _alone(self, statement: str, name: str) -> None:
        """Run a statement that may be in no transaction."""
        with self.server.connected(together=False) as cursor:
            cursor.execute(quoted(statement, name))

    def _restored(self) -> str:
        with suppress(Problem), self.server.connected() as cursor:
            cursor.execute("SELECT pg_database_size(%s)", [self.new])
            return megabytes(cursor.fetchone()[0])
        return "0 MB"

    def undo(self) -> None:
        with suppress(Problem):
            self._alone("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.new)

    def put(self) -> Iterator[Path | str]:
        with self.server.connected() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [self.old])
            there = cursor.fetchone() is not None
            if there:
                cursor.execute(quoted("ALTER DATABASE {} RENAME TO {}", self.old, self.aside))
            cursor.execute(quoted("ALTER DATABASE {} RENAME TO {}", self.new, self.old))
        self.database.forget()
        if there:
            yield f"the database {self.aside}"
