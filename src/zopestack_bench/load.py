"""The load generator: one thread, a closed or an open loop over HTTP/1.1.

In the open loop, latency counts from the moment a request was due, even where no connection was
free then. A server that stalls cannot slow down the requests that follow, which would leave out
just those that suffered from it ("coordinated omission").
"""

from __future__ import annotations

import asyncio
import http
import math
import time
from collections import Counter, deque
from itertools import cycle, zip_longest
from typing import cast

import httptools
import uvloop

from zopestack.features.address import Address
from zopestack_bench.record import Closed, Measured, Open, percentiles
from zopestack_bench.workloads import host_and_path

#: Connections of the open loop; further requests wait for one, and that time counts.
MAX_CONNECTIONS = 512

#: Seconds after which a request is abandoned and counted as an error.
PATIENCE = 10.0

#: Poll interval in seconds of the search for requests to abandon.
LOOK = 0.05


def run(
    address: Address,
    paths: tuple[str, ...],
    load: Closed | Open,
    seconds: float,
    patience: float = PATIENCE,
    cookies: tuple[str, ...] = (),
    source: str = "",
) -> Measured:
    """Request the paths in turn for so many seconds, then wait for the requests in flight.

    :param patience: seconds after which a request is abandoned.
    :param cookies: the Cookie header of each of the paths; an empty one is not sent.
    :param source: the address to connect from; empty for the system's choice.
    """
    requests = tuple(_request(address, *each) for each in zip_longest(paths, cookies))

    return uvloop.run(_Generator(address, requests, load, seconds).run(patience, source))


def _request(address: Address, path: str, cookie: str | None) -> bytes:
    host, path = host_and_path(path, address)
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"Cookie: {cookie}"] if cookie else []
    # As HAProxy marks a client that only reads, for layouts without the generated HAProxy.
    lines.append("Zopestack-Reader: 1")
    return "\r\n".join([*lines, "", ""]).encode()


class _Connection(asyncio.Protocol):
    """A connection to the server, with at most one request in flight.

    :ivar due: when that request was due, in seconds of ``time.perf_counter``.
    :ivar served: responses that came on it before.
    :ivar begun: whether any byte of the response is there.
    :ivar headed: whether all of its headers are.
    :ivar framed: whether they say where it ends; otherwise the end is the close.
    """

    transport: asyncio.Transport | None = None
    begun = headed = framed = False
    served = 0

    def __init__(self, generator: _Generator, due: float) -> None:
        self.generator, self.due = generator, due
        self.parser = httptools.HttpResponseParser(self)

    def ask(self, due: float) -> None:
        """Send the next request, now or as soon as the connection is open."""
        self.due = due
        self.begun = self.headed = self.framed = False
        if self.transport:
            self.transport.write(next(self.generator.requests))

    def abort(self) -> None:
        """Close the connection at once."""
        if self.transport:
            self.transport.abort()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self in self.generator.busy:
            self.ask(self.due)
        else:
            # Its request was abandoned meanwhile.
            self.abort()

    def data_received(self, data: bytes) -> None:
        self.begun = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.generator.failed(self, "broken")

    def connection_lost(self, why: Exception | None) -> None:
        self.generator.closed(self)

    # Called by the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        self.framed |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_message_complete(self) -> None:
        self.served += 1
        self.generator.answered(self, reusable=self.parser.should_keep_alive())


class _Generator:
    """One period of load.

    :ivar busy: connections with a request in flight, in the order in which those were due.
    :ivar waiting: when the requests were due that wait for a connection.
    :ivar started: whether all requests are, but those of a closed loop that follow a response.
    """

    def __init__(
        self, address: Address, requests: tuple[bytes, ...], load: Closed | Open, seconds: float
    ) -> None:
        self.address, self.load, self.seconds = address, load, seconds
        self.requests = cycle(requests)
        self.limit = load.clients if isinstance(load, Closed) else MAX_CONNECTIONS
        self.idle: deque[_Connection] = deque()
        self.busy: dict[_Connection, None] = {}
        self.waiting: deque[float] = deque()
        self.opening: set[asyncio.Task[None]] = set()
        self.started, self.over = False, asyncio.Event()
        self.latencies: list[float] = []
        self.good = self.late = 0
        self.errors: Counter[str] = Counter()

    async def run(self, patience: float, source: str) -> Measured:
        """Generate the load; returns when the last request is answered or abandoned."""
        self.local = (source, 0) if source else None
        began = time.perf_counter()
        self.end = began + self.seconds
        watch = asyncio.create_task(self._watch(patience))
        if isinstance(self.load, Closed):
            for _ in range(self.load.clients):
                self._ask(began)
        else:
            for number in range(math.ceil(self.load.rate * self.seconds)):
                due = began + number / self.load.rate
                await _sleep_until(due)
                self._ask(due)
        self.started = True
        self._check()
        await self.over.wait()
        watch.cancel()
        for connection in self.idle:
            connection.abort()
        latency = percentiles(self.latencies)
        return Measured(self.seconds, self.good, self.late, dict(self.errors), latency)

    def answered(self, connection: _Connection, reusable: bool) -> None:
        """A whole response has come."""
        if connection not in self.busy:
            return
        now = time.perf_counter()
        del self.busy[connection]
        status = connection.parser.get_status_code()
        if status < http.HTTPStatus.BAD_REQUEST:
            self.good += 1
            self.late += now > self.end
            self.latencies.append(now - connection.due)
        else:
            self.errors[f"status {status}"] += 1
        if reusable:
            self.idle.append(connection)
        else:
            connection.abort()
        self._next(now)

    def failed(self, connection: _Connection, why: str) -> None:
        """A request ends without a response."""
        if connection in self.busy:
            del self.busy[connection]
            connection.abort()
            self._count(connection.due, why)
            self._next(time.perf_counter())

    def closed(self, connection: _Connection) -> None:
        """The server has closed a connection, or this side has."""
        if connection in self.idle:
            self.idle.remove(connection)
        elif connection.headed and not connection.framed:
            self.answered(connection, reusable=False)
        elif connection.served and not connection.begun and connection in self.busy:
            # The close of an idle connection raced with the request (RFC 9112, 9.3.1): try again.
            del self.busy[connection]
            self._ask(connection.due)
        else:
            self.failed(connection, "broken")

    def _ask(self, due: float) -> None:
        if self.idle:
            connection = self.idle.popleft()
            self.busy[connection] = None
            connection.ask(due)
        elif len(self.busy) < self.limit:
            connection = _Connection(self, due)
            self.busy[connection] = None
            task = asyncio.create_task(self._open(connection))
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)
        else:
            self.waiting.append(due)

    async def _open(self, connection: _Connection) -> None:
        loop, address = asyncio.get_running_loop(), self.address
        try:
            await loop.create_connection(
                lambda: connection, address.host, address.port, local_addr=self.local
            )
        except OSError:
            self.failed(connection, "connect")

    def _next(self, now: float) -> None:
        if self.waiting:
            self._ask(self.waiting.popleft())
        elif isinstance(self.load, Closed) and now < self.end:
            self._ask(now)
        self._check()

    def _check(self) -> None:
        if self.started and not self.busy and not self.waiting:
            self.over.set()

    async def _watch(self, patience: float) -> None:
        """Abandon requests that take too long."""
        while True:
            await asyncio.sleep(LOOK)
            overdue = time.perf_counter() - patience
            for connection in [each for each in self.busy if each.due < overdue]:
                self.failed(connection, "timeout")
            while self.waiting and self.waiting[0] < overdue:
                self._count(self.waiting.popleft(), "timeout")
            self._check()

    def _count(self, due: float, why: str) -> None:
        self.errors[why] += 1
        if why == "timeout":
            self.latencies.append(time.perf_counter() - due)


async def _sleep_until(moment: float) -> None:
    """Sleep at least once, so that responses are handled also where requests are late. A timer
    may end some microseconds early."""
    await asyncio.sleep(max(0, moment - time.perf_counter()))
    while (left := moment - time.perf_counter()) > 0:
        await asyncio.sleep(left)
