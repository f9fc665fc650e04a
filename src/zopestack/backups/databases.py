"""Every database of a stack, each as what keeps it."""

from __future__ import annotations

from zopestack.backups.database import Database
from zopestack.backups.filestorage import FileStorage
from zopestack.backups.mysql import MySQL
from zopestack.backups.oracle import Oracle
from zopestack.backups.postgresql import PostgreSQL
from zopestack.backups.relational import Relational
from zopestack.backups.sqlite import SQLite
from zopestack.model import Stack

#: What RelStorage calls a kind of database, and what backs it up and restores it.
KINDS: dict[str, type[Relational]] = {
    "postgresql": PostgreSQL,
    "mysql": MySQL,
    "sqlite3": SQLite,
    "oracle": Oracle,
}


def every(stack: Stack) -> list[Database]:
    """The databases, the main one first."""
    return [*(FileStorage(stack, each) for each in stack.filestorages), *relational(stack)]


def relational(stack: Stack) -> list[Relational]:
    """Those of RelStorage, the main one first."""
    return [
        KINDS[each.kind](each.name, each, stack.database_conf_of(each.name))
        for each in stack.relstorages
    ]
