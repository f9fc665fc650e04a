"""One connection to an instance: waitress's own, which also says what it is waiting for.

``channel_class`` of waitress's server is made to be replaced; the HTTP stays waitress's.
"""

from __future__ import annotations

from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer
from waitress.utilities import Error

from zopestack.agent.arrival import Arrival, Arrivals
from zopestack.agent.parser import Parser
from zopestack.agent.threads import Threads, hung_up, unread

#: Bytes up to which an answer leaves in one piece. waitress sends headers and body apart; an
#: instance that is killed in between leaves a visitor with half an answer, which no balancer
#: can mend. It was waitress's own default before 1.3.
WHOLE_ANSWER = 18000

#: Connections at once, in place of waitress's 100: past that it takes none, and whoever HAProxy has
#: given a slot waits for another's end. Room for 64 threads, 80 slots lent and what HAProxy
#: keeps open for the next; select(2) takes 1024 descriptors.
CONNECTIONS = 400


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection.

    :cvar threads: the instance's threads.
    :cvar arrivals: the bodies on their way to it.
    :ivar arrival: the body that is on its way on this one.
    """

    parser_class = Parser

    threads: Threads
    arrivals: Arrivals
    request: Any

    arrival: Arrival | None = None
    _receiving = False

    def __init__(self, server: BaseWSGIServer, *args: Any, **options: Any) -> None:
        super().__init__(server, *args, **options)
        self.threads.servers.add(server)
        server.adj.send_bytes = WHOLE_ANSWER
        server.adj.connection_limit = max(server.adj.connection_limit, CONNECTIONS)
        self.threads.changed()

    def needs_thread(self) -> bool:
        """Whether there is a request on it that a thread has to work on, now or next."""
        if self.requests:
            return self.working or not hung_up(self.socket)
        if self.arrival or self.total_outbufs_len:
            return False
        return self._receiving or unread(self.socket)

    @property
    def working(self) -> bool:
        """Whether a thread works on a request on it."""
        return self in self.threads.inside.values()

    def service(self) -> None:
        """Work on a request, in one of the instance's threads; not for a client that is gone."""
        with self.threads.working(self):
            if hung_up(self.socket):
                self.connected = False
            super().service()

    def readable(self) -> bool:
        """Whether bytes are wanted; asked at least once a second."""
        if self.arrival:
            self._look_at(self.arrival)
        return bool(super().readable())

    def handle_read(self) -> None:
        """Read. Between the socket and the request, the bytes are nowhere else to be seen."""
        self._receiving = True
        try:
            super().handle_read()
        finally:
            self._receiving = False
            self.threads.changed()

    def received(self, data: bytes) -> bool:
        """Take bytes, and note whether they leave a body on its way."""
        taken = bool(super().received(data))
        request = self.request
        if self.arrival and self.arrival.request is not request:
            self._arrived()
        if request is not None and request.headers_finished:
            self.arrival = self.arrival or self.arrivals.begin(request)
            self._look_at(self.arrival)
        return taken

    def send_continue(self) -> None:
        """Tell a client to go on with its body, unless there is none.

        waitress 3.0.2 tells any that expects it, and then waits for a body for ever.
        """
        if self.request.completed:
            self.request.expect_continue = False
        else:
            super().send_continue()

    def handle_close(self) -> None:
        """Close."""
        self._arrived()
        super().handle_close()
        self.threads.changed()

    def _look_at(self, arrival: Arrival) -> None:
        if complaint := self.arrivals.complaint(arrival):
            self._refuse(complaint)

    def _refuse(self, why: Error) -> None:
        """Answer a request whose body is not here and will not be waited for."""
        self._arrived()
        with self.requests_lock:
            request, self.request = self.request, None
            request.error, request.completed = why, True
            self.requests.append(request)
            if len(self.requests) == 1:
                self.server.add_task(self)

    def _arrived(self) -> None:
        if self.arrival:
            self.arrivals.end(self.arrival)
            self.arrival = None


def install(threads: Threads, arrivals: Arrivals) -> None:
    """Have every connection from now on be such a one."""
    books = {"threads": threads, "arrivals": arrivals}
    BaseWSGIServer.channel_class = type("Channel", (Channel,), books)
