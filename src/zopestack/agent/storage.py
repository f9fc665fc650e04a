"""Whether an instance can reach its databases, and what must not happen when it cannot."""

from __future__ import annotations

import sys
from typing import Any

from transaction.interfaces import TransientError
from ZODB.POSException import StorageError


class OutcomeUnknown(StorageError):  # type: ignore[misc]
    """A transaction may have been finished, or not."""


def unreachable() -> list[str]:
    """Names of the databases whose server is gone; a storage without a server never is."""
    zope = sys.modules.get("Zope2")
    gone = []
    for database in getattr(zope, "opened", ()):
        is_connected = getattr(database.storage, "is_connected", None)
        if is_connected is not None and not is_connected():
            gone.append(database.database_name)
    return gone


def mend_zeo_clients() -> None:
    """Keep a ZEO that dies from costing data: see :func:`forget_oids`, :func:`finish_once`."""
    for database in getattr(sys.modules.get("Zope2"), "opened", ()):
        if hasattr(database.storage, "notify_disconnected"):
            forget_oids(database.storage)
            finish_once(database.storage)


def forget_oids(storage: Any) -> None:
    """Have one ClientStorage drop the ids it holds whenever it loses its server.

    It fetches ids for new objects in advance and keeps them when its server goes (ZEO 6.2,
    ``ClientStorage.new_oid``). A server that was restarted counts on from what is in the
    database, and hands the same ids to the next instance that asks. Seen in the chaos suite
    as a BTree that had lost a bucket.
    """
    notify = storage.notify_disconnected

    def notify_disconnected() -> None:
        notify()
        storage._oids.clear()

    storage.notify_disconnected = notify_disconnected


def finish_once(storage: Any) -> None:
    """Have one ClientStorage say of a commit that it is unknown, where it is.

    A server that dies after it was told to finish a transaction may have done so. ZEO 6.2
    raises ClientDisconnected then, as for a transaction that never got there; that is a
    TransientError, so Zope's publisher runs the request again, and what it did may be done
    twice. Seen in the chaos suite as a record that was applied twice.
    """
    finish = storage.tpc_finish

    def tpc_finish(*arguments: Any) -> Any:
        try:
            return finish(*arguments)
        except TransientError as why:
            raise OutcomeUnknown(
                "The ZEO server went away while it finished this transaction; whether it has, "
                "only the database knows. It is not tried again, lest it be done twice."
            ) from why

    storage.tpc_finish = tpc_finish
