"""The section ``<set-up-once>`` of zope.conf: a storage that is set up before it is used.

Instances that open an empty database at the same time race to create its schema, its root and
Zope's objects, and all but one die (docs/explanation/measured.rst, "Starting and stopping Zope").
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transaction.interfaces import TransientError
from ZODB.config import BaseConfig
from ZODB.POSException import POSKeyError
from ZODB.utils import z64

from zopestack.initial import sqlite
from zopestack.initial.content import seed

logger = logging.getLogger("zopestack.initial")

#: Seconds to wait for a database server, as ZEO's client does for its own. An instance that has run
#: so long and ends is started again for ever.
PATIENCE = 30.0

#: Poll interval in seconds; a start takes some.
POLL_INTERVAL = 1.0

#: How often to look again after a conflict, as with another machine that was first.
TRIES = 3


class SetUpOnce(BaseConfig):  # type: ignore[misc]
    """What ZConfig makes of the section."""

    def open(self) -> Any:
        """The storage inside, with something in it.

        :raises Exception: whatever it raises itself, or where it cannot be set up.
        """
        with _locked(self.config.lock):
            sqlite.create(self.config.base, self._seed)
            for left in reversed(range(TRIES)):
                storage = _patiently(self.config.base.open)
                try:
                    if _empty(storage):
                        self._seed(storage)
                except TransientError:
                    storage.close()
                    if not left:
                        raise
                except BaseException:
                    storage.close()
                    raise
                else:
                    break
        return storage

    def _seed(self, storage: Any) -> None:
        seed(storage, self.config.user, self.config.password_file)


def _patiently(open_storage: Callable[[], Any]) -> Any:
    """Open a storage, and wait meanwhile for a database server that starts.

    :raises Exception: whatever it raises itself, at the latest after :data:`PATIENCE`.
    """
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while True:
        try:
            return open_storage()
        # A driver has exceptions of its own.
        except Exception as why:
            if not _may_pass(why) or time.monotonic() > deadline:
                raise
            logger.warning("waiting for the database: %s", why)
            pause.wait(POLL_INTERVAL)


def _may_pass(why: Exception) -> bool:
    """Whether it is what every driver raises where the server is not there (PEP 249)."""
    return "OperationalError" in {kind.__name__ for kind in type(why).__mro__}


def _empty(storage: Any) -> bool:
    try:
        storage.load(z64, "")
    except POSKeyError:
        return True
    return False


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Wait for a lock; it is given back at the end of the process at the latest."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
