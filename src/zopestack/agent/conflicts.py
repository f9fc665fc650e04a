"""Let a request that has run into a conflict save before others begin to.

Zope's publisher runs a request again whose transaction conflicted (``retry_max_count``, 3 times).
Before, it sleeps up to 1, 2, then 4 s in its thread, so that others have saved meanwhile
(``HTTPRequest.delay_retry``). With one thread, everybody else at that instance waits, too. But the
winner has already saved when a conflict is known. What a retry has to fear is who comes next.

So a retry takes the turn, a lock that all instances of the machine share. Until it has ended, no
other retry and no other request with an unsafe method begins. It does not sleep, and it asks the
database server for everything that was saved before. Nobody waits for longer than ``PATIENCE``,
so that a retry that takes long holds up nobody (docs/explanation/measured.rst, "Conflicts").
"""

from __future__ import annotations

import fcntl
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from threading import get_ident
from typing import Any

from ZODB.POSException import ConflictError, StorageError
from ZPublisher.HTTPRequest import HTTPRequest

from zopestack.agent import storage
from zopestack.agent.meter import SAFE, Application, Environ
from zopestack.figure import Figure, Values

#: Seconds to wait for a turn at most: many usual requests, and less than a client notices.
PATIENCE = 1.0

#: Poll interval in seconds; short compared with a request that saves.
POLL_INTERVAL = 0.005

#: Seconds of the longest wait before a second retry, and twice that before a third one. Its rivals
#: may run on another machine, which has a turn of its own.
BACK_OFF = 0.1


RETRIES = Figure(
    "request_retries", "counter", "How often a request was run again after a conflict."
)


class Conflicts:
    """A WSGI filter in front of Zope.

    :param lock: the file that all instances lock.
    :ivar turns: by thread, the open file of the turn that its request has.
    :ivar retries: how often a request was run again.
    """

    def __init__(self, application: Application, lock: str) -> None:
        self.application = application
        self.lock = lock
        self.turns: dict[int, int] = {}
        self.retries = 0

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass a request on, when no other one has the turn."""
        if environ["REQUEST_METHOD"] not in SAFE:
            self._give_way()
        try:
            return self.application(environ, start_response)
        finally:
            if self.turns and (turn := self.turns.pop(get_ident(), None)) is not None:
                os.close(turn)

    def install(self) -> None:
        """Have Zope's publisher ask here before it runs a request again."""
        usual = HTTPRequest.delay_retry

        def delay_retry(request: HTTPRequest) -> None:
            if isinstance(sys.exc_info()[1], ConflictError):
                self.before_retry(request.retry_count)
            else:
                usual(request)

        HTTPRequest.delay_retry = delay_retry

    def before_retry(self, retries: int) -> None:
        """Take the turn, and learn of everything that was saved before.

        :param retries: how often the request has been run again already.
        """
        self.retries += 1
        if retries:
            time.sleep(random.uniform(0, BACK_OFF * retries))  # noqa: S311
        thread = get_ident()
        # Without the file, as on a full disk, a retry is what it is in any case: a try.
        with suppress(OSError):
            if thread not in self.turns:
                self.turns[thread] = self._open()
                _wait(self.turns[thread], fcntl.LOCK_EX)
        _synchronize()

    def figures(self) -> Iterator[tuple[Figure, Values]]:
        """How often a request was run again."""
        yield RETRIES, {(): self.retries}

    def _give_way(self) -> None:
        try:
            turn = self._open()
        except OSError:
            return
        try:
            if not _lock(turn, fcntl.LOCK_SH):
                _wait(turn, fcntl.LOCK_SH)
                _synchronize()
        finally:
            os.close(turn)

    def _open(self) -> int:
        return os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _wait(turn: int, kind: int) -> None:
    """Wait for a lock as long as ``PATIENCE`` allows; closing the file gives it back."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not _lock(turn, kind) and time.monotonic() < deadline:
        pause.wait(POLL_INTERVAL)


def _lock(turn: int, kind: int) -> bool:
    # Not blocking: flock(2) has no timeout.
    try:
        fcntl.flock(turn, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _synchronize() -> None:
    # Without its server, the request itself fails as it does without this.
    with suppress(StorageError):
        storage.synchronize()
