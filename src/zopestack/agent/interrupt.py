"""Interrupt a request that takes longer than ``request-timeout``, in its own thread.

The thread gets an exception (Python's C API, ``PyThreadState_SetAsyncExc``), which ends the
request: Zope aborts its transaction, the client gets 504, and the process lives on. The exception
is no ``Exception``, so that a program's ``except Exception`` does not swallow it.

A thread gets it only inside its request, and never while it commits, because a commit of several
databases must not end half-way. One that waits outside of Python, for example for a lock or a
socket, gets it when the wait is over; an instance whose threads all wait so hangs
(``zopestack.agent.hang``).
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident
from typing import Any

from transaction._transaction import Transaction

from zopestack.agent import own_thread
from zopestack.agent.meter import Application, Environ
from zopestack.agent.refusal import headers
from zopestack.figure import Figure, Values

logger = logging.getLogger("zopestack.agent")

#: Poll interval in seconds; small compared with any sensible ``request-timeout``, and long enough
#: that an idle instance hardly wakes.
POLL_INTERVAL = 1.0

#: Seconds that an interrupted request gets to clean up; then it is interrupted again.
CLEAN_UP = 10.0

#: For a client that asks the instance itself; HAProxy sends its own page.
BODY = b"This request took too long and was interrupted. It has saved nothing.\n"


INTERRUPTED = Figure(
    "requests_interrupted", "counter", "Requests that were interrupted after request-timeout."
)


class Interrupted(BaseException):
    """Raised in a thread whose request takes too long."""


@dataclass(eq=False)
class Request:
    """A request that a thread works on.

    :param began: when it began, or committed last (``time.monotonic``).
    :ivar committing: whether it must not be interrupted now.
    :ivar told: when it was interrupted last.
    """

    began: float
    path: str
    committing: bool = False
    told: float = float("-inf")


class Interrupts:
    """A WSGI filter that limits the time of a request.

    :param timeout: seconds from the begin of a request, or its last commit, to its interruption.
    :ivar requests: what each thread works on.
    :ivar interrupted: how many requests were interrupted.
    """

    def __init__(self, application: Application, timeout: float) -> None:
        self.application = application
        self.timeout = timeout
        self.requests: dict[int, Request] = {}
        self.interrupted = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Protect every commit, and watch in a thread of its own while the process lives."""
        self._protect_commits()
        own_thread.start("request timeout", self._watch)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass a request on; answer 504 if it was interrupted."""
        thread = get_ident()
        request = Request(time.monotonic(), environ.get("PATH_INFO", ""))
        with self._lock:
            self.requests[thread] = request
        try:
            try:
                return self.application(environ, start_response)
            finally:
                self._end(thread)
        except Interrupted:
            # It may have come after the request, but before the end was noted.
            self._end(thread)
            self.interrupted += 1
            logger.error("interrupted after %g s: %s", self.timeout, request.path)
            return _late(start_response)

    def _end(self, thread: int) -> None:
        with self._lock:
            self.requests.pop(thread, None)
            _raise_in(thread, None)

    def interrupt(self) -> None:
        """Interrupt every request that is late; again after a while, in case one carries on."""
        with self._lock:
            now = time.monotonic()
            for thread, request in self.requests.items():
                late = now - request.began > self.timeout and now - request.told > CLEAN_UP
                if late and not request.committing:
                    request.told = now
                    _raise_in(thread, Interrupted)

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Do not interrupt the request of this thread meanwhile.

        :raises Interrupted: if it is late already.
        """
        thread = get_ident()
        with self._lock:
            request = self.requests.get(thread) or Request(time.monotonic(), "")
            _raise_in(thread, None)
            if time.monotonic() - request.began > self.timeout:
                raise Interrupted
            request.committing = True
        try:
            yield
            # What follows a commit is not late: an answer that it failed would be wrong.
            request.began = time.monotonic()
        finally:
            request.committing = False

    def figures(self) -> Iterator[tuple[Figure, Values]]:
        """How many requests were interrupted."""
        yield INTERRUPTED, {(): self.interrupted}

    def _protect_commits(self) -> None:
        commit = Transaction._commitResources

        def commit_resources(transaction: Transaction) -> None:
            with self.committing():
                commit(transaction)

        Transaction._commitResources = commit_resources

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(POLL_INTERVAL):
            self.interrupt()


def _late(start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer 504, in place of a response that may have begun (PEP 3333, "exc_info")."""
    start_response("504 Gateway Timeout", headers(BODY), sys.exc_info())
    return [BODY]


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Have a thread raise an exception at its next step, or take back one not raised yet."""
    raised = ctypes.py_object(kind) if kind else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
