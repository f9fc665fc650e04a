"""A server of PostgreSQL: how it is reached, and its programs, which know servers of their own
version and of older ones.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zopestack.backups import programs
from zopestack.backups.failed import Problem, Unanswered, said

#: Where distributions put the programs of each version, beside the PATH: Debian's, and PostgreSQL's
#: own packages for Red Hat's.
PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")


@dataclass(frozen=True)
class Server:
    """A server of PostgreSQL, as one database of it is reached.

    :param words: what libpq is told, but for the password.
    """

    words: dict[str, str]
    password: str | None

    @classmethod
    def of(cls, dsn: str) -> Server:
        """What a connection string says.

        :raises Problem: where its driver is not there, or it is none.
        """
        driver = _driver()
        try:
            words = driver.extensions.parse_dsn(dsn)
        except driver.Error as why:
            raise Problem(f"dsn: {said(why)}") from None
        if "sslpassword" in words:
            raise Problem(
                "dsn: sslpassword would be on the command line of pg_dump, for everybody to read: "
                "give a key without a password, for its owner only"
            )
        return cls(words, words.pop("password", None))

    def at(self, database: str) -> Server:
        """The same server, by another database."""
        return Server({**self.words, "dbname": database}, self.password)

    @contextmanager
    def connected(self, together: bool = True) -> Iterator[Any]:
        """A cursor for statements.

        :param together: whether they are one transaction.
        :raises Problem: where the server does not answer, or refuses.
        """
        driver = _driver()
        secret = {} if self.password is None else {"password": self.password}
        try:
            connection = driver.connect(self._reached(), **secret)
        except driver.Error as why:
            raise Unanswered(f"the database: {said(why)}") from why
        try:
            connection.autocommit = not together
            yield connection.cursor()
            connection.commit()
        except driver.Error as why:
            raise Problem(f"the database: {said(why)}") from why
        finally:
            connection.close()

    @cached_property
    def version(self) -> int:
        """Its major version.

        :raises Problem: where it does not answer.
        """
        with self.connected() as cursor:
            return int(cursor.connection.server_version) // 10000

    def _reached(self) -> str:
        return str(_driver().extensions.make_dsn(**self.words))

    def run(self, name: str, *arguments: str) -> None:
        """Run a program on the database.

        :raises Problem: where it fails.
        """
        secret = {} if self.password is None else {"PGPASSWORD": self.password}
        given = ["--no-password", f"--dbname={self._reached()}", *arguments]
        programs.run([program(name, self.version), *given], secret)


def program(name: str, least: int) -> str:
    """One of PostgreSQL's programs: the oldest one that is not older than the server, since what
    a newer one writes may be new to the server.

    :param least: the major version of the server.
    :raises Problem: where there is none.
    """
    known = sorted((_version(path), path) for path in _found(name))
    for version, path in known:
        if version >= least:
            return path
    newest = f"the newest one here is of {known[-1][0]}" if known else "there is none"
    wanted = f" {least} or later" if least else ""
    raise Problem(
        f"{name} of PostgreSQL{wanted} is needed on the PATH, and {newest}: install the client "
        "programs of PostgreSQL, such as Debian's postgresql-client"
    )


def quoted(statement: str, *names: str) -> Any:
    """A statement with names in it."""
    from psycopg2 import sql

    return sql.SQL(statement).format(*map(sql.Identifier, names))


def _driver() -> Any:
    try:
        import psycopg2
        import psycopg2.extensions
    except ImportError:
        raise Problem(
            "psycopg2 is needed to back up PostgreSQL, and no egg has it: add psycopg2-binary to "
            "eggs in [instance] or [stack]"
        ) from None
    return psycopg2


def _found(name: str) -> Iterator[str]:
    """Every path of a program."""
    if path := shutil.which(name):
        yield path
    for place in PLACES:
        yield from map(str, Path("/").glob(f"{place}/{name}"))


def _version(program: str) -> int:
    """The major version of one of PostgreSQL's programs; 0 where it does not say."""
    with suppress(Problem, OSError):
        told = re.search(r"\(PostgreSQL\) (\d+)", programs.run([program, "--version"]))
        return int(told[1]) if told else 0
    return 0
