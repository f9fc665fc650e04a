"""A database that RelStorage keeps: what is the same for every kind of them.

RelStorage's own ``zodbconvert`` would copy any kind into a FileStorage, but object by object, while
others write.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from zopestack.backups import blobs, moved
from zopestack.backups.database import Database, Say
from zopestack.backups.failed import Failed, said
from zopestack.backups.progress import progress
from zopestack.features.relstorage import Relstorage

#: A table of RelStorage's, with history and without (RelStorage 4.3, ``adapters/schema.py``).
TABLE = "object_state"

#: What every driver raises, or a subclass of it (PEP 249).
OF_DRIVERS = {"DatabaseError", "InterfaceError"}

#: What a storage is opened with.
SCHEMA = """
<schema>
  <import package="ZODB"/>
  <section type="ZODB.storage" name="*" attribute="storage"/>
</schema>
"""


class Relational(Database):
    """A database of RelStorage.

    :param name: unique in the stack.
    :param given: what RelStorage is told of it.
    :param conf: the file that instances include.
    """

    def __init__(self, name: str, given: Relstorage, conf: Path) -> None:
        self.name = name
        self.given = given
        self.conf = conf
        history = "" if given.keep_history else "-history-free"
        self.kind = f"{given.kind}{history}"
        self.blobs = given.shared_blobs
        self.options = dict(given.specific)

    @abstractmethod
    def check_programs(self) -> None:
        """Check that the programs are here that a backup needs.

        :raises Problem: where one is missing or too old, or the server does not answer.
        """

    def watch(self) -> Callable[[], bool]:
        """What tells whether it is packed: a pack deletes blobs, and nothing else does."""
        if not (directory := self.blobs):
            return lambda: False
        before = blobs.names(directory)
        return lambda: not before <= blobs.names(directory)

    def pack(self, days: int, say: Say, called: str) -> None:
        """Have RelStorage pack it, from here."""
        with _listening() as heard, progress(say, lambda: f"{self.name}: {heard()}"):
            try:
                storage = self.open()
                try:
                    _pack(storage, days, self.given.keep_history)
                finally:
                    storage.close()
            # A driver has exceptions of its own.
            except Exception as why:
                if not OF_DRIVERS & {kind.__name__ for kind in type(why).__mro__}:
                    raise
                raise Failed(f"{self.name}: {said(why)}") from why
        say(f"{self.name} is packed")

    def open(self) -> Any:
        """Open it as an instance does, but set nothing up in an empty one.

        :raises Exception: whatever RelStorage and its driver raise.
        """
        import ZConfig

        schema = ZConfig.loadSchemaFile(StringIO(SCHEMA))
        found, _ = ZConfig.loadConfig(schema, str(self.conf))
        # Not what stands around it, which sets an empty database up.
        return found.storage.config.base.open()

    def forget(self) -> None:
        """Remove what instances have kept of a database that is not there any more.

        :raises OSError: where that cannot be done.
        """
        if directory := dict(self.given.generic).get("cache-local-dir"):
            # RelStorage, ``cache/persistence.py``.
            for file in Path(directory).glob("relstorage-cache*"):
                file.unlink()


def _pack(storage: Any, days: int, history: bool) -> None:
    from ZODB.serialize import referencesf

    until = time.time() - days * 86400
    if history:
        storage.pack(until, referencesf)
    else:
        since = moved.newest(storage)
        storage.pack(until, referencesf, prepack_only=True)
        moved.keep(storage, since)
        storage.pack(until, referencesf, skip_prepack=True)


@contextmanager
def _listening() -> Iterator[Callable[[], str]]:
    """What RelStorage logs last of a pack, which it does as it goes on."""
    last = ["packing"]

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            last[0] = record.getMessage()

    logger, handler = logging.getLogger("relstorage"), Handler(logging.INFO)
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield lambda: last[0]
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
