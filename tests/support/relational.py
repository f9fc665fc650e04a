"""Stacks whose database is relational, without a stack around: PostgreSQL, MariaDB and SQLite."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.support import describe
from tests.support.database_server import DatabaseServer
from tests.support.mariadb import MariaDB
from tests.support.postgres import Postgres
from zopestack import files, stack_file
from zopestack.model import Stack
from zopestack.render.files import database as confs

KINDS = {"postgresql": Postgres, "mysql": MariaDB, "sqlite3": None}

#: Of databases, so that each test has its own.
NUMBERS = count()


class Servers(dict[str, DatabaseServer | None]):
    """By kind, the server of all tests, which starts when it is needed."""

    def __missing__(self, kind: str) -> DatabaseServer | None:
        server = KINDS[kind]
        self[kind] = server() if server else None
        return self[kind]

    def stop(self) -> None:
        """Stop those that run."""
        for server in filter(None, self.values()):
            server.stop()


@dataclass
class Kept:
    """A stack whose database is relational."""

    home: Path
    kind: str
    server: DatabaseServer | None
    name: str

    def __post_init__(self) -> None:
        if self.server:
            self.server.create(self.name)
        self.stack = self.read(self.name)
        self.stack.var.mkdir(exist_ok=True)

    def read(self, name: str, **other: str) -> Stack:
        """The stack with a database of another name, and other options."""
        section = self.server.section(name) if self.server else {"type": self.kind}
        options = {"instances": "1", "storage": "relstorage", "backup": "daily keep 3"}
        made = describe.read(self.home, options, {"relstorage": {**section, **other}})
        made.configuration.mkdir(parents=True, exist_ok=True)
        for directory in made.relstorages[0].directories:
            Path(directory).mkdir(parents=True, exist_ok=True)
        for path, text in {**confs(made), made.stack_file: stack_file.dumps(made)}.items():
            files.write(path, text, mode=0o600)
        return made

    @property
    def before(self) -> set[str]:
        """Names of databases beside it that a restore has made."""
        every = self.server.names() if self.server else set()
        return {name for name in every if name.startswith(f"{self.name}_")}
