"""Whether an instance can reach its databases."""

from __future__ import annotations

import sys
from typing import Any


def unreachable() -> list[str]:
    """Names of the databases whose server is gone; a storage without a server never is."""
    zope = sys.modules.get("Zope2")
    gone = []
    for database in getattr(zope, "opened", ()):
        is_connected = getattr(database.storage, "is_connected", None)
        if is_connected is not None and not is_connected():
            gone.append(database.database_name)
    return gone


def forget_oids_on_disconnect() -> None:
    """Keep two instances from giving one object id to two objects after ZEO has died.

    A ClientStorage fetches ids for new objects in advance and keeps them when its server
    goes (ZEO 6.2, ``ClientStorage.new_oid``). A server that was restarted counts on from
    what is in the database, and hands the same ids to the next instance that asks. Seen in
    the chaos suite as a BTree that had lost a bucket.
    """
    for database in getattr(sys.modules.get("Zope2"), "opened", ()):
        if hasattr(database.storage, "notify_disconnected"):
            forget_oids(database.storage)


def forget_oids(storage: Any) -> None:
    """Have one ClientStorage drop the ids it holds whenever it loses its server."""
    notify = storage.notify_disconnected

    def notify_disconnected() -> None:
        notify()
        storage._oids.clear()

    storage.notify_disconnected = notify_disconnected
