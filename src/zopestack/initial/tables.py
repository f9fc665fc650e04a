"""The tables of RelStorage, which a process that is killed may leave incomplete."""

from __future__ import annotations

from typing import Any


def incomplete(storage: Any) -> bool:
    """Whether the tables lack the row that is stored last of all; another storage has none.

    PostgreSQL makes all or none. MySQL and SQLite keep each, and RelStorage completes none later
    (4.3, ``adapters/schema.py``). Without this row, two commits of MySQL do not wait for each other
    (``adapters/mysql/procs/lock_database_for_commit.sql``).

    :raises Exception: whatever the driver raises.
    """
    adapter = getattr(storage, "_adapter", None)
    return adapter is not None and not adapter.connmanager.open_and_call(_rows)


def _rows(_connection: Any, cursor: Any) -> list[Any]:
    cursor.execute("SELECT tid FROM commit_row_lock")
    return list(cursor.fetchall())
