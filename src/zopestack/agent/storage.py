"""Whether an instance can reach its databases, and how to lose no data when it cannot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from transaction.interfaces import TransientError
from ZODB.POSException import StorageError

from zopestack.agent import reach

#: Calls after which a client has heard of a commit that the server knows. One was always enough;
#: of a transaction without objects it never hears.
ROUND_TRIPS = 5


class OutcomeUnknown(StorageError):  # type: ignore[misc]
    """A transaction that may or may not have been committed."""


def databases() -> Iterator[Any]:
    """Yield every open database of this process: the root's and those mounted into it."""
    for root in getattr(sys.modules.get("Zope2"), "opened", ()):
        yield from root.databases.values()


def zeo_clients() -> Iterator[Any]:
    """Yield the storages that are clients of a ZEO server. Others have no server to ask."""
    for database in databases():
        if hasattr(database.storage, "notify_disconnected"):
            yield database.storage


def relational() -> Iterator[Any]:
    """Yield the storages of RelStorage."""
    for database in databases():
        if reach.is_relational(database.storage):
            yield database.storage


def unreachable() -> list[str]:
    """Return the names of databases whose server is unreachable.

    A storage without a server is always reachable; one of RelStorage has to answer.
    """
    return [
        database.database_name
        for database in databases()
        if not getattr(database.storage, "is_connected", lambda: True)()
        or not reach.answers(database.database_name)
    ]


def synchronize() -> None:
    """Wait until everything that was committed before this call is known to this process.

    A server tells a client of its commits in order. So a client that knows the last transaction
    knows everything before it. The answer to a call may overtake what was to be sent before it
    (docs/explanation/measured.rst, "Read your own writes"), hence the comparison.

    :raises ZODB.POSException.StorageError: if a server cannot be reached.
    """
    for client in zeo_clients():
        last = client._call("lastTransaction")
        for _ in range(ROUND_TRIPS):
            if client.lastTransaction() >= last:
                break
            client.ping()


def mend_zeo_clients() -> None:
    """Prevent data loss when ZEO dies: see :func:`forget_oids` and :func:`finish_once`."""
    for client in zeo_clients():
        forget_oids(client)
        finish_once(client)


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
