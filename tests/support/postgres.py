"""A PostgreSQL server of a test's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from tests.support.database_server import PASSWORD as PASSWORD
from tests.support.database_server import DatabaseServer

#: Debian keeps the programs of each version in a directory of its own, which is not on the PATH.
DEBIAN = Path("/usr/lib/postgresql")

#: How many connections it accepts; two instances have about ten.
CONNECTIONS = 40

#: Ends the connections of everybody else.
OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> ALL(%s)
"""


def binary(name: str) -> str:
    """The path of a program of the newest version."""
    versions = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1]) if versions else shutil.which(name) or name


class Postgres(DatabaseServer):
    """A server whose user is its superuser."""

    ends = signal.SIGINT

    #: Where it listens, beside its socket, and which addresses may connect; empty for nowhere.
    listens, clients = "", ""

    def prepare(self) -> None:
        secret = self.home / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        secret.chmod(0o644)
        made = ("-D", self.home / "data", "-U", "zope", f"--pwfile={secret}", "-A", "scram-sha-256")
        self.make(binary("initdb"), *made, "--no-sync")
        if self.clients:
            with (self.home / "data/pg_hba.conf").open("a", encoding="utf-8") as rules:
                rules.write(f"host all all {self.clients} scram-sha-256\n")

    def command(self) -> list[str | Path]:
        options: dict[str, object] = {"listen_addresses": self.listens, "fsync": "off"}
        options["unix_socket_directories"] = self.home
        options["max_connections"] = CONNECTIONS
        given = [word for name, text in options.items() for word in ("-c", f"{name}={text}")]
        return [binary("postgres"), "-D", self.home / "data", *given]

    def answers(self) -> bool:
        return self.psql("SELECT 1").returncode == 0

    def psql(self, statement: str, database: str = "postgres") -> subprocess.CompletedProcess[str]:
        """What psql says to a statement."""
        return subprocess.run(
            [binary("psql"), "-h", self.home, "-U", "zope", "-d", database, "-Atc", statement],
            env={**os.environ, "PGPASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, statement: str) -> str:
        """What psql says to a statement that it has to accept."""
        done = self.psql(statement)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self, database: str) -> None:
        self.done(f"CREATE DATABASE {database}")

    def drop(self, database: str) -> None:
        self.done(f"DROP DATABASE {database} WITH (FORCE)")

    def names(self) -> set[str]:
        return set(self.done("SELECT datname FROM pg_database").split())

    def section(self, database: str, **other: str) -> dict[str, str]:
        given = {"host": str(self.home), "dbname": database, "user": "zope", "password": PASSWORD}
        quoted = {n: t.replace("\\", r"\\").replace("'", r"\'") for n, t in given.items()}
        dsn = " ".join(f"{name}='{text}'" for name, text in quoted.items())
        return {"type": "postgresql", "dsn": dsn, **other}

    @contextmanager
    def exhausted(self, database: str) -> Iterator[None]:
        """Others have every connection that there may be, and whoever has one loses it to them."""
        over = threading.Event()
        thread = threading.Thread(target=self._exhaust, args=(database, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _exhaust(self, database: str, over: threading.Event) -> None:
        with ExitStack() as held:
            own: list[Any] = []
            while not over.is_set():
                try:
                    own.append(self._connect(database))
                    own[-1].autocommit = True
                    held.callback(own[-1].close)
                except psycopg2.OperationalError:
                    with own[0].cursor() as cursor:
                        cursor.execute(OTHERS, [[each.info.backend_pid for each in own]])
                    over.wait(0.01)

    def _connect(self, database: str) -> Any:
        return psycopg2.connect(
            host=str(self.home), user="zope", dbname=database, password=PASSWORD
        )
