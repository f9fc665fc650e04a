"""A MariaDB server of a test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.database_server import PASSWORD, DatabaseServer
from zopestack import system_program

#: What RelStorage 4.3 takes it for: with a version of MariaDB's own it would use what only MySQL 8
#: has (its ``adapters/mysql/schema.py``; docs/howto/storage.rst).
VERSION = "--version=5.7.19-MariaDB"


def binary(name: str) -> str:
    """The path of a program."""
    return str(system_program.find(name) or name)


class MariaDB(DatabaseServer):
    """A server whose user may do everything with databases whose names begin with main."""

    @property
    def socket(self) -> Path:
        return self.home / "socket"

    def prepare(self) -> None:
        # It runs as another user, for whom the tests' own directory is closed.
        where = (f"--datadir={self.home}/data", f"--tmpdir={self.home}")
        options = (*where, "--auth-root-authentication-method=normal")
        self.make(binary("mariadb-install-db"), "--no-defaults", *options, "--skip-test-db")

    def command(self) -> list[str | Path]:
        options = ("--skip-networking", "--innodb-flush-log-at-trx-commit=0", VERSION)
        where = (f"--datadir={self.home}/data", f"--socket={self.socket}")
        return [binary("mariadbd"), "--no-defaults", *where, f"--tmpdir={self.home}", *options]

    def answers(self) -> bool:
        return self.client("SELECT 1").returncode == 0

    def start(self) -> None:
        super().start()
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
        self.done(f"CREATE USER IF NOT EXISTS zope@localhost IDENTIFIED BY '{quoted}'")
        self.done("GRANT ALL ON `main%`.* TO zope@localhost")

    def client(self, statement: str) -> subprocess.CompletedProcess[str]:
        """What the client says to a statement of the administrator's."""
        words = [binary("mariadb"), "--no-defaults", f"--socket={self.socket}", "-uroot", "-BNe"]
        return subprocess.run([*words, statement], capture_output=True, text=True, check=False)

    def done(self, statement: str) -> str:
        """What it says to a statement that the server has to accept."""
        done = self.client(statement)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self, database: str) -> None:
        self.done(f"CREATE DATABASE `{database}`")

    def drop(self, database: str) -> None:
        self.done(f"DROP DATABASE `{database}`")

    def names(self) -> set[str]:
        return set(self.done("SHOW DATABASES").split())

    def section(self, database: str, **other: str) -> dict[str, str]:
        given = {"unix_socket": str(self.socket), "db": database, "user": "zope"}
        return {"type": "mysql", "keep-history": "false", **given, "passwd": PASSWORD, **other}
