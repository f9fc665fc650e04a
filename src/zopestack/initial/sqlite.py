"""A database of SQLite, made beside its place and put there when it is whole.

RelStorage makes its tables one after the other (4.3, ``adapters/schema.py``), and never completes
what a process has left that was killed meanwhile: no content can be stored in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: The file of a database, and that of the numbers of its objects (RelStorage 4.3,
#: ``adapters/sqlite/adapter.py``).
MAIN, NUMBERS = "main.sqlite3", "oids.sqlite3"

#: The directory of one that is being made, in that of the database.
UNFINISHED = "unfinished"


def create(section: Any, fill: Callable[[Any], None]) -> None:
    """Make the database, unless it is there, or is another one than SQLite's.

    :param section: a storage's section of zope.conf. Nobody else may open it meanwhile.
    :param fill: stores the content.
    :raises Exception: whatever RelStorage or ``fill`` raises.
    """
    options: Any = getattr(getattr(section.config, "adapter", None), "config", None)
    place = getattr(options, "data_dir", None)
    # A link may lead to where the file is to be.
    if not place or not section.config.create_schema or os.path.lexists(Path(place) / MAIN):
        return
    unfinished = Path(place) / UNFINISHED
    # What a process has left that was killed.
    shutil.rmtree(unfinished, ignore_errors=True)
    options.data_dir = str(unfinished)
    try:
        storage = section.open()
        try:
            fill(storage)
        finally:
            storage.close()
    finally:
        options.data_dir = place
    # The last one makes it a database.
    for name in (NUMBERS, MAIN):
        (unfinished / name).replace(Path(place) / name)
    unfinished.rmdir()
