"""Whether an instance can reach its databases, and how to lose no data when it cannot."""

from __future__ import annotations

import sys
from typing import Any

from transaction.interfaces import TransientError
from ZODB.POSException import StorageError


class OutcomeUnknown(StorageError):  # type: ignore[misc]
    """A transaction that may or may not have been committed."""


def unreachable() -> list[str]:
    """Return the names of databases whose server is unreachable.

    A storage without a server is always reachable.
    """
    zope = sys.modules.get("Zope2")
    gone = []
    for database in getattr(zope, "opened", ()):
        is_connected = getattr(database.storage, "is_connected", None)
        if is_connected is not None and not is_connected():
            gone.append(database.database_name)
    return gone


def mend_zeo_clients() -> None:
    """Prevent data loss when ZEO dies: see :func:`forget_oids` and :func:`finish_once`."""
    for database in getattr(sys.modules.get("Zope2"), "opened", ()):
        if hasattr(database.storage, "notify_disconnected"):
            forget_oids(database.storage)
            finish_once(database.storage)


def forget_oids(storage: Any) -> None:
    """Make a ClientStorage drop its reserved object ids whenever it loses its server.

    It reserves ids for new objects in advance and keeps them when the connection is lost (ZEO
    6.2, ``ClientStorage.new_oid``). A restarted server continues from the last id in the
    database, so it gives the same ids to the next instance that asks. The chaos tests saw this
    as a BTree that had lost a bucket.
    """
    notify = storage.notify_disconnected

    def notify_disconnected() -> None:
        notify()
        storage._oids.clear()

    storage.notify_disconnected = notify_disconnected


def finish_once(storage: Any) -> None:
    """Make a ClientStorage raise OutcomeUnknown if a commit may or may not have happened.

    A server that dies while it finishes a transaction may have committed it. ZEO 6.2 then raises
    ClientDisconnected, as it does for a transaction that was never sent. That is a
    TransientError, so Zope's publisher runs the request again, and its changes may be applied
    twice. The chaos tests saw this as a record that was applied twice.
    """
    finish = storage.tpc_finish

    def tpc_finish(*arguments: Any) -> Any:
        try:
            return finish(*arguments)
        except TransientError as why:
            raise OutcomeUnknown(
                "The ZEO server went away while it was committing this transaction, so the "
                "transaction may or may not be committed. The request is not retried, because "
                "its changes could be applied twice."
            ) from why

    storage.tpc_finish = tpc_finish
