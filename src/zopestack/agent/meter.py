"""Counts what an instance is doing, at next to no cost for a request.

Two dictionary operations and one addition a request, without a lock: each thread
touches its own key only, and the interpreter makes each of them atomic. Everything else
is worked out when somebody asks, from waitress's own books.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any

from zopestack.agent.threads import Threads

#: The number HAProxy gives a request, as WSGI spells its header (PEP 3333).
REQUEST_ID = "HTTP_X_REQUEST_ID"

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Meter:
    """A WSGI filter that knows which requests are running.

    :param threads: the instance's threads, through which waitress's books are found.
    :ivar requests: how many have been answered.
    :ivar running: by thread, when its request began (``time.monotonic``) and the request.
    :ivar failed: by thread, the number of the request that Zope has just raised an error for:
        waitress logs the error when the request has left here.
    """

    def __init__(self, application: Application, threads: Threads) -> None:
        self.application = application
        self.threads = threads
        self.requests = 0
        self.running: dict[int, tuple[float, Environ]] = {}
        self.failed: dict[int, str] = {}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass the request on and note when it began and ended."""
        thread = get_ident()
        self.running[thread] = (time.monotonic(), environ)
        if self.failed:
            self.failed.pop(thread, None)
        try:
            return self.application(environ, start_response)
        except Exception:
            self.failed[thread] = environ.get(REQUEST_ID, "")
            raise
        finally:
            self.requests += 1
            del self.running[thread]

    def busy(self) -> list[float]:
        """For each busy thread, the seconds it has been in its request; longest first."""
        now = time.monotonic()
        return sorted((now - began for began, _ in list(self.running.values())), reverse=True)

    def queue(self) -> int:
        """Requests that have arrived and wait for a thread, for a client who is still there."""
        return sum(
            bool(channel.requests) and not channel.working and channel.needs_thread()
            for channel in self.threads.channels()
        )

    def in_flight(self) -> int:
        """Requests not finished: arriving, waiting, running, or being sent to the client.

        waitress takes a body off the worker thread and sends it from its main loop, so a
        free thread does not mean that everything was delivered.
        """
        return sum(
            bool(channel.requests or channel.request is not None or channel.total_outbufs_len)
            for channel in self.threads.channels()
        )

    def described(self) -> list[str]:
        """The running requests in words, for a log: no query string, it may hold secrets."""
        now = time.monotonic()
        return [
            f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')} ({now - began:.1f} s)"
            for began, environ in list(self.running.values())
        ]

    def request_id(self, thread: int) -> str:
        """The number of the request a thread is in, or has just failed to answer, or nothing."""
        if running := self.running.get(thread):
            return str(running[1].get(REQUEST_ID, ""))
        return self.failed.get(thread, "")
