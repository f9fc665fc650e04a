"""Count what an instance is doing, at almost no cost per request.

A request costs two dictionary operations and one addition, without a lock: each thread uses only
its own key, and the interpreter makes each operation atomic. Everything else is computed on
demand from waitress's own data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any

from zopestack.agent.threads import Threads, unread

#: The header with the request id that HAProxy assigns, in WSGI's spelling (PEP 3333).
REQUEST_ID = "HTTP_X_REQUEST_ID"

#: The key of an environ with the name of the user, where Zope has found one.
USER = "zopestack.user"

#: Methods that change nothing and may be sent again (RFC 9110, 9.2.1), as in haproxy.cfg.
SAFE = ("GET", "HEAD", "OPTIONS")

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

#: A request that runs: when it began (``time.monotonic``), and its environ.
Running = tuple[float, Environ]


class Meter:
    """A WSGI filter that knows which requests are running.

    :param threads: the instance's threads, which lead to waitress's data.
    :ivar requests: number of requests answered.
    :ivar running: by thread, its request.
    :ivar failed: by thread, the id of the request for which Zope has just raised an error. It is
        kept because waitress logs the error after the request has left this filter.
    """

    def __init__(self, application: Application, threads: Threads) -> None:
        self.application = application
        self.threads = threads
        self.requests = 0
        self.running: dict[int, Running] = {}
        self.failed: dict[int, str] = {}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass the request on and record when it began and ended."""
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
        """Return how many seconds each busy thread has been in its request; longest first."""
        return sorted(map(age, list(self.running.values())), reverse=True)

    def queue(self) -> int:
        """Return how many requests wait for a thread and still have a client.

        Some wait unread, because the main loop is running a request.
        """
        return self.threads.waiting() + sum(
            not channel.working and channel.needs_thread() for channel in self.threads.channels()
        )

    def in_flight(self) -> int:
        """Return how many requests are arriving, waiting, running, or being sent.

        waitress sends a response from its main loop, not from the worker thread, so a free
        thread does not mean that everything was delivered. While that loop runs a request, what
        arrives stays unread.
        """
        return self.threads.waiting() + sum(
            bool(
                channel.requests
                or channel.request is not None
                or channel.total_outbufs_len
                or unread(channel.socket)
            )
            for channel in self.threads.channels()
        )

    def described(self) -> list[str]:
        """Describe the running requests for a log."""
        return list(map(described, list(self.running.values())))

    def request_id(self, thread: int) -> str:
        """Return the id of the request that a thread runs or has just failed, or an empty text."""
        if running := self.running.get(thread):
            return str(running[1].get(REQUEST_ID, ""))
        return self.failed.get(thread, "")


def age(request: Running) -> float:
    """Return how many seconds ago a request began."""
    return time.monotonic() - request[0]


def told(request: Running) -> dict[str, Any]:
    """Tell what may be told of a request: not its query string, which holds secrets.

    :returns: its method, path, user and id (empty texts where there is none), and for how many
        seconds it has run.
    """
    environ = request[1]
    return {
        "method": environ["REQUEST_METHOD"],
        # PEP 3333 has each byte as a character.
        "path": environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace"),
        "user": str(environ.get(USER, "")),
        "id": environ.get(REQUEST_ID, ""),
        "seconds": age(request),
    }


def described(request: Running) -> str:
    """Describe a request for a log."""
    of = told(request)
    user = f" by {of['user']}" if of["user"] else ""
    number = f", id {of['id']}" if of["id"] else ""
    return f"{of['method']} {of['path']}{user} ({of['seconds']:.1f} s{number})"
