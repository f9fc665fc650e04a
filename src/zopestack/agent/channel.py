"""A waitress connection that also knows what it is waiting for.

waitress provides ``channel_class`` to be replaced. All HTTP handling stays waitress's own.
"""

from __future__ import annotations

from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer
from waitress.utilities import Error

from zopestack.agent.arrival import Arrival, Arrivals
from zopestack.agent.parser import Parser
from zopestack.agent.refusal import MarkedErrorTask
from zopestack.agent.threads import Threads, hung_up, unread

#: Responses of up to this many bytes are sent in one piece. By default waitress sends headers
#: and body separately; if the instance is killed in between, the client gets half a response,
#: which no balancer can repair. waitress had this default before 1.3.
WHOLE_ANSWER = 18000

#: Maximum number of open connections, instead of waitress's 100. waitress accepts none beyond
#: it, so a request to which HAProxy has given a slot would wait for another one to end. This
#: allows 64 threads, 80 lent slots and HAProxy's idle connections; select(2) allows 1024.
CONNECTIONS = 400


class Channel(HTTPChannel):  # type: ignore[misc]
    """One connection to an instance.

    :cvar threads: the instance's threads.
    :cvar arrivals: the request bodies that the instance is receiving.
    :ivar arrival: the request body that this connection is receiving.
    :ivar begun: whether the response to the request that a thread works on has begun.
    """

    parser_class = Parser
    error_task_class = MarkedErrorTask

    threads: Threads
    arrivals: Arrivals
    request: Any

    arrival: Arrival | None = None
    begun = False
    _receiving = False

    def __init__(self, server: BaseWSGIServer, *args: Any, **options: Any) -> None:
        super().__init__(server, *args, **options)
        self.threads.servers.add(server)
        server.adj.send_bytes = WHOLE_ANSWER
        server.adj.connection_limit = max(server.adj.connection_limit, CONNECTIONS)
        self.threads.changed()

    def needs_thread(self) -> bool:
        """Return whether a request on this connection needs a thread, now or next."""
        if self.requests:
            return self.working or not hung_up(self.socket)
        if self.arrival or self.total_outbufs_len:
            return False
        return self._receiving or unread(self.socket)

    @property
    def working(self) -> bool:
        """Whether a thread is working on a request of this connection."""
        return self in self.threads.inside.values()

    def service(self) -> None:
        """Run a request in a worker thread, unless its client has gone."""
        self.begun = False
        with self.threads.working(self):
            if hung_up(self.socket):
                self.connected = False
            super().service()

    def write_soon(self, data: Any) -> int:
        """Take a piece of a response."""
        self.begun = True
        return int(super().write_soon(data))

    def readable(self) -> bool:
        """Return whether to read from the socket. waitress asks at least once a second."""
        if self.arrival:
            self._check_body(self.arrival)
        return bool(super().readable())

    def handle_read(self) -> None:
        """Read from the socket; meanwhile the bytes are in neither the socket nor a request."""
        self._receiving = True
        try:
            super().handle_read()
        finally:
            self._receiving = False
            self.threads.changed()

    def received(self, data: bytes) -> bool:
        """Parse bytes, and track the request body if it is not complete yet."""
        taken = bool(super().received(data))
        request = self.request
        if self.arrival and self.arrival.request is not request:
            self._arrived()
        if request is not None and request.headers_finished:
            self.arrival = self.arrival or self.arrivals.begin(request)
            self._check_body(self.arrival)
        return taken

    def send_continue(self) -> None:
        """Ask a client to send the body of its request, unless it has none.

        waitress 3.0.2 asks whenever the client expects it, and then waits forever for a body.
        """
        if self.request.completed:
            self.request.expect_continue = False
        else:
            super().send_continue()

    def handle_close(self) -> None:
        """Close the connection and stop tracking its body."""
        self._arrived()
        super().handle_close()
        self.threads.changed()

    def _check_body(self, arrival: Arrival) -> None:
        if refusal := self.arrivals.refusal(arrival):
            self._refuse(refusal)

    def _refuse(self, why: Error) -> None:
        """Answer a request with an error instead of waiting for the rest of its body."""
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
    """Make waitress use this class for every new connection."""
    attributes = {"threads": threads, "arrivals": arrivals}
    BaseWSGIServer.channel_class = type("Channel", (Channel,), attributes)
