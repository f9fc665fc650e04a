"""A waitress connection that knows what it is waiting for, and can run its request itself.

waitress provides ``channel_class`` to be replaced. All HTTP handling stays waitress's own.
"""

from __future__ import annotations

import select
import time
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import WSGITask
from waitress.utilities import Error

from zopestack.agent.arrival import Arrival, Arrivals
from zopestack.agent.meter import SAFE
from zopestack.agent.once import seconds_since
from zopestack.agent.parser import Parser
from zopestack.agent.refusal import MarkedErrorTask
from zopestack.agent.threads import Threads, hung_up, unread

#: The header by which HAProxy's requests are known, in waitress's spelling
#: (``templates/haproxy.cfg.j2``).
SENT = "ZOPESTACK_SENT"


class Channel(HTTPChannel):  # type: ignore[misc]
    """One connection to an instance.

    :cvar threads: the instance's threads.
    :cvar arrivals: the request bodies that the instance is receiving.
    :ivar arrival: the request body that this connection is receiving.
    :ivar receiving: whether the main thread is reading from the socket.
    :ivar due: whether the main thread is to run the request that it has just received.
    :ivar begun: whether the response to the request that a thread works on has begun.
    :ivar bodiless: whether the response to that request has headers only.
    :ivar balanced: whether HAProxy has sent a request on this connection.
    """

    parser_class = Parser

    threads: Threads
    arrivals: Arrivals
    request: Any
    requests: list[Any]

    arrival: Arrival | None = None
    receiving = False
    due = False
    begun = False
    bodiless = False
    balanced = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.threads.changed()

    def needs_thread(self) -> bool:
        """Return whether a request on this connection needs a thread, now or next."""
        if self.requests:
            return self.working or not hung_up(self.socket)
        if self.arrival or self.total_outbufs_len:
            return False
        return self.receiving or unread(self.socket)

    @property
    def working(self) -> bool:
        """Whether a thread is working on a request of this connection."""
        return self in self.threads.inside.values()

    def check_client_disconnected(self) -> bool:
        """Return whether the client has gone; ``waitress.client_disconnected`` of a request.

        waitress's own answer is what its main loop has seen, which now may be running the request.
        """
        return not self.connected or hung_up(self.socket)

    def service(self) -> None:
        """Run a request, unless its client has gone."""
        request = self.requests[0]
        self.begun = False
        # A request that cannot be parsed has no method.
        command = getattr(request, "command", "")
        self.bodiless = command == "HEAD"
        sent = request.headers.get(SENT)
        self.balanced = sent is not None
        # The time of any other may be that of an upload.
        if sent and command in SAFE:
            self.threads.waited.add((), max(0.0, seconds_since(sent)))
        began = time.monotonic()
        with self.threads.working(self):
            if hung_up(self.socket):
                self.connected = False
            try:
                super().service()
            except BaseException:
                # Such as SystemExit, which must not end the main loop. waitress would log it,
                # and never answer nor close.
                self.logger.exception("Exception while serving a request")
                self._give_up()
        labels = "safe" if command in SAFE else "unsafe", status_of(request)
        self.threads.answered.add(labels, time.monotonic() - began)

    def task_class(self, channel: Channel, request: Any) -> WSGITask:
        """Make what runs a request, and note it with the request, for its status."""
        request.task = WSGITask(channel, request)
        return request.task

    def error_task_class(self, channel: Channel, refused: Any) -> MarkedErrorTask:
        """Make what answers a request with an error, and note it with the request.

        :param refused: the request, or what stands for one in which the application has failed.
        """
        task = MarkedErrorTask(channel, refused)
        next(iter(self.requests), refused).task = task
        return task

    def _give_up(self) -> None:
        with self.requests_lock:
            self.will_close = True
            self.requests = []
        self.server.pull_trigger()

    def _run(self) -> None:
        """Run the request that has just been received, and send its response at once."""
        with self.threads.in_main_loop():
            self.service()
            if self.connected and self.writable():
                self.handle_write()

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Wait until the client has taken enough of a response that is being made.

        waitress waits for its main loop to send. The main loop has to do that itself.
        """
        if not self.threads.inline:
            super()._flush_outbufs_below_high_watermark()
            return
        poll = select.poll()
        poll.register(self.socket, select.POLLOUT)
        while self.connected and self.total_outbufs_len > self.adj.outbuf_high_watermark:
            ((_, events),) = poll.poll()
            _, failed = self._flush_exception(self._flush_some, do_close=False)
            # A send to a client that has gone fails silently.
            if failed or events & (select.POLLERR | select.POLLHUP):
                self.connected = False

    def write_soon(self, data: Any) -> int:
        """Take a piece of a response: its headers, then pieces of its body.

        waitress leaves it to the application to give no body to HEAD, and Zope gives one with an
        error or a file. HAProxy would take it for the response to the next request on this
        connection, which may be another visitor's (RFC 9110, 9.3.2).
        """
        if self.bodiless and self.begun:
            getattr(data, "close", lambda: None)()
            return 0
        self.begun = True
        return int(super().write_soon(data))

    @property
    def kept(self) -> bool:
        """Whether this is a connection that HAProxy keeps for its next request."""
        return self.balanced and self.request is None and not self.total_outbufs_len

    def readable(self) -> bool:
        """Return whether to read from the socket. waitress asks at least once a second."""
        if self.arrival:
            self._check_body(self.arrival)
        return bool(super().readable())

    def handle_read(self) -> None:
        """Read from the socket; meanwhile the bytes are in neither the socket nor a request."""
        self.receiving = True
        try:
            super().handle_read()
        finally:
            self.receiving = False
            self.threads.changed()
        if self.due:
            self.due = False
            if self.request is None:
                self._run()
            else:
                # The body of the next request is arriving.
                self.server.hand_over(self)

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


def status_of(request: Any) -> str:
    """Return the status with which a request was answered; ``none`` if its client had gone."""
    task = getattr(request, "task", None)
    if task is None or not task.wrote_header:
        return "none"
    status = str(task.status[:3])
    return status if status.isdecimal() else "other"
