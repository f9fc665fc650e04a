"""Whether an instance can reach its databases."""

from __future__ import annotations

import sys


def unreachable() -> list[str]:
    """Names of the databases whose server is gone; a storage without a server never is."""
    zope = sys.modules.get("Zope2")
    gone = []
    for database in getattr(zope, "opened", ()):
        is_connected = getattr(database.storage, "is_connected", None)
        if is_connected is not None and not is_connected():
            gone.append(database.database_name)
    return gone
