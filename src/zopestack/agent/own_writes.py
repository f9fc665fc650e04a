"""Show clients what they have saved, on every instance.

ZEO tells the other instances of a commit asynchronously, so a client who has saved something and
is then served by another instance could see the old page. HAProxy knows which clients have
written lately (``templates/haproxy-written.cfg.j2``). A request of such a client, or one that did
not come through HAProxy, asks the database server first whether there is anything new. All other
requests are passed on as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import get_ident
from typing import Any

from ZODB.POSException import StorageError

from zopestack.agent import storage
from zopestack.agent.meter import Application, Environ
from zopestack.agent.refusal import headers
from zopestack.figure import Figure, Values

#: The header by which HAProxy says that a client has not written lately, in WSGI's spelling.
READER = "HTTP_ZOPESTACK_READER"

#: The header by which HAProxy learns that a request has changed the database, whatever its method.
COMMITTED = ("Zopestack-Committed", "1")

#: The answer while a database server cannot be asked, instead of a page that may be old.
UNREACHABLE = b"The database server does not answer. Try again later.\n"


SYNCHRONIZED = Figure(
    "requests_synchronized",
    "counter",
    "Requests before which the database server was asked for what is new, because their client had "
    "written lately.",
)


class OwnWrites:
    """A WSGI filter in front of Zope.

    :ivar committed: the threads whose request has changed a database.
    :ivar synchronized: how many requests began with a question to the database server.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self.committed: set[int] = set()
        self.synchronized = 0

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass a request on, up to date if its client has written, and tell of its commit."""
        if READER not in environ:
            self.synchronized += 1
            try:
                storage.synchronize()
            except StorageError:
                return unreachable(start_response)
        thread = get_ident()
        self.committed.discard(thread)

        def start(status: str, sent: list[tuple[str, str]], *more: Any) -> Any:
            if thread in self.committed:
                sent = [*sent, COMMITTED]
            return start_response(status, sent, *more)

        return self.application(environ, start)

    def figures(self) -> Iterator[tuple[Figure, Values]]:
        """How many requests began with a question to the database server."""
        yield SYNCHRONIZED, {(): self.synchronized}

    def note_commits(self) -> None:
        """Have the storage of every database tell which thread has changed it."""
        for each in storage.zeo_clients():
            self._note_commits(each)

    def _note_commits(self, client: Any) -> None:
        finish = client.tpc_finish

        def tpc_finish(*arguments: Any) -> Any:
            # Note it first: a commit whose outcome is unknown may have happened.
            self.committed.add(get_ident())
            return finish(*arguments)

        client.tpc_finish = tpc_finish


def unreachable(start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer 503."""
    start_response("503 Service Unavailable", [("Retry-After", "5"), *headers(UNREACHABLE)])
    return [UNREACHABLE]
