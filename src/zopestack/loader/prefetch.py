"""Have a fork ask for the objects of its first page all at once.

A fork finds code and templates in its memory, but no object of a database: it has opened each one
itself. A page of Plone needs some 2,000, and to ask ZEO for one after the other takes longer than
everything else of a start (docs/explanation/measured.rst, "One memory for many instances"). So the
loader remembers which objects its own first page has loaded. What of them a fork does not need any
more costs it a little, and what it needs beside them it asks for as ever.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from zopestack.loader import load

logger = logging.getLogger("zopestack.loader")

#: The ids of objects, by the name of their database.
Objects = Mapping[str, Sequence[bytes]]


def loaded() -> Objects:
    """What has been loaded from the databases that are open."""
    return {
        database.database_name: [
            each["oid"] for each in database.cacheExtremeDetail() if each["state"] is not None
        ]
        for database in load.databases()
    }


def fetch(objects: Objects) -> None:
    """Ask for objects from the databases that are open, where their storage can be asked for many.

    Each comes to the cache of its storage. One that is gone is no error, nor is a server that goes:
    whoever needs the object hears of that.
    """
    # ZEO 6.2 logs a traceback for each that it cannot send.
    logging.getLogger("ZEO.asyncio.client").addFilter(_is_no_failed_prefetch)
    for database in load.databases():
        if wanted := objects.get(database.database_name):
            logger.info("prefetch %d objects of %s", len(wanted), database.database_name)
            connection: Any = database.open()
            connection.prefetch(wanted)
            connection.close()


def _is_no_failed_prefetch(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Exception for prefetch")
