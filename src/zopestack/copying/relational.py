"""Relational databases as RelStorage reaches them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zopestack.backups.relational import TABLE


def adapter(config: Any) -> Any:
    """What RelStorage reaches a database with.

    :param config: its section ``<relstorage>``.
    :raises Exception: whatever the driver raises.
    """
    from relstorage.options import Options  # type: ignore[import-untyped]

    # As its own factory does (RelStorage 4.3, ``config.RelStorageFactory``).
    config.driver = config.adapter.config.driver
    options = Options.copy_valid_options(config)
    options.adapter = config.adapter
    return config.adapter.create(options)


def used(adapter: Any) -> bool:
    """Whether a database has tables of RelStorage's, which are then those of its options.

    :raises Exception: whatever the driver raises, and where they are of other options.
    """
    connection, cursor = adapter.connmanager.open()
    try:
        # Those of the server, too.
        if TABLE not in map(str.lower, adapter.schema.list_tables(cursor)):
            return False
        adapter.schema.verify()
        return True
    finally:
        adapter.connmanager.rollback_and_close(connection, cursor)


def same(one: Any, other: Any) -> bool:
    """Whether two adapters lead to one database, however its address is written.

    Nobody can lock it twice for a pack. SQLite has no such lock: its files tell.

    :raises Exception: whatever the driver raises.
    """
    with _packing(other) as before:
        if not before:
            # Somebody packs.
            return False
    with _packing(one) as first, _packing(other) as second:
        return first and not second


@contextmanager
def _packing(adapter: Any) -> Iterator[bool]:
    """Whether the lock for a pack could be taken; it is held in the block."""
    from relstorage.adapters.interfaces import (  # type: ignore[import-untyped]
        UnableToAcquirePackUndoLockError,
    )

    connection, cursor = adapter.connmanager.open()
    try:
        try:
            adapter.locker.hold_pack_lock(cursor)
        except UnableToAcquirePackUndoLockError:
            yield False
        else:
            yield True
            adapter.locker.release_pack_lock(cursor)
    finally:
        adapter.connmanager.rollback_and_close(connection, cursor)
