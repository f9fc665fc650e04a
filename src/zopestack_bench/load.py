"""The load generator: one thread, a closed or an open loop over HTTP/1.1.

In the open loop, latency counts from the moment a request was due, even where no connection was
free then. A server that stalls cannot slow down the requests that follow, which would leave out
just those that suffered from it ("coordinated omission").
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from itertools import cycle, zip_longest

import httptools
import uvloop

from zopestack.address import Address
from zopestack_bench.measured import Closed, Measured, Open, percentiles
from zopestack_bench.workloads import host_and_path

#: Connections of the open loop; further requests wait for one, and that time counts.
MAX_CONNECTIONS = 512

#: Seconds after which a request is abandoned and counted as an error.
PATIENCE = 10.0

#: Seconds between two searches for requests to abandon.
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

    async def generate() -> Measured:
        return await _Generator(address, requests, load, seconds, patience, source).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(generate())


def _request(address: Address, path: str, cookie: str | None) -> bytes:
    host, path = host_and_path(path, address)
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"Cookie: {cookie}"] if cookie else []
    return "\r\n".join([*lines, "", ""]).encode()


class _Connection(asyncio.Protocol):
    """A connection to the server, with at most one request in flight.

    :ivar due: when that request was due, in seconds of ``time.perf_counter``.
    :ivar answered: requests that were answered on it.
    :ivar begun: whether any byte of the response is there.
    :ivar framed: whether the response says where it ends; otherwise the end is the close.
    """

    transport: asyncio.Transport
    begun = framed = headed = False
    answered = 0

    def __init__(self, generator: _Generator, due: float) -> None:
        self.generator, self.due = generator, due
        self.parser = httptools.HttpResponseParser(self)

    def ask(self, due: float) -> None:
        """Send the next request."""
        self.due = due
        self.begun = self.framed = self.headed = False
        self.transport.write(next(self.generator.requests))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        if self in self.generator.busy:
            self.ask(self.due)

    def data_received(self, data: bytes) -> None:
        self.begun = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.generator.failed(self, "broken")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.framed |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_message_complete(self) -> None:
        self.answered += 1
        self.generator.answered(
            self, self.parser.get_status_code(), self.parser.should_keep_alive()
        )

    def connection_lost(self, why: Exception | None) -> None:
        self.generator.closed(self)


class _Generator:
    """One period of load."""

    def __init__(
        self,
        address: Address,
        requests: tuple[bytes, ...],
        load: Closed | Open,
        seconds: float,
        patience: float,
        source: str,
    ) -> None:
        self.address, self.load, self.patience = address, load, patience
        self.local = (source, 0) if source else None
        self.requests = cycle(requests)
        self.loop = asyncio.get_running_loop()
        self.limit = load.clients if isinstance(load, Closed) else MAX_CONNECTIONS
        self.idle: deque[_Connection] = deque()
        # In the order in which their requests were due.
        self.busy: dict[_Connection, None] = {}
        self.waiting: deque[float] = deque()
        self.opening: set[asyncio.Task[None]] = set()
        self.seconds, self.started = seconds, time.perf_counter()
        self.end = self.started + seconds
        self.arriving = True
        self.over = asyncio.Event()
        self.latencies: list[float] = []
        self.good = self.late = 0
        self.errors: Counter[str] = Counter()

    async def run(self) -> Measured:
        """Generate the load; returns when the last request is answered or abandoned."""
        watch = asyncio.create_task(self._watch())
        if isinstance(self.load, Closed):
            for _ in range(self.load.clients):
                self._ask(self.started)
        else:
            for number in range(math.ceil(self.load.rate * self.seconds)):
                due = self.started + number / self.load.rate
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                self._ask(due)
        self.arriving = False
        self._check()
        await self.over.wait()
        watch.cancel()
        for connection in self.idle:
            connection.transport.abort()
        return Measured(
            seconds=self.seconds,
            requests=self.good,
            late=self.late,
            errors=dict(self.errors),
            latency=percentiles(self.latencies),
        )

    def _ask(self, due: float) -> None:
        if self.idle:
            connection = self.idle.popleft()
            self.busy[connection] = None
            connection.ask(due)
        elif len(self.busy) < self.limit:
            connection = _Connection(self, due)
            self.busy[connection] = None
            task = self.loop.create_task(self._open(connection))
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)
        else:
            self.waiting.append(due)

    async def _open(self, connection: _Connection) -> None:
        try:
            await self.loop.create_connection(
                lambda: connection, self.address.host, self.address.port, local_addr=self.local
            )
        except OSError:
            self.failed(connection, "connect")

    def answered(self, connection: _Connection, status: int, reusable: bool) -> None:
        """A whole response has come."""
        if connection not in self.busy:
            return
        now = time.perf_counter()
        del self.busy[connection]
        if status < 400:
            self.good += 1
            self.late += now > self.end
            self.latencies.append(now - connection.due)
        else:
            self.errors[f"status {status}"] += 1
        if reusable:
            self.idle.append(connection)
        else:
            connection.transport.abort()
        self._next(now)

    def closed(self, connection: _Connection) -> None:
        """The server has closed a connection, or this side has."""
        if connection not in self.busy:
            if connection in self.idle:
                self.idle.remove(connection)
        elif connection.headed and not connection.framed:
            self.answered(connection, connection.parser.get_status_code(), False)
        elif connection.answered and not connection.begun:
            # The close of an idle connection raced with the request (RFC 9112, 9.3.1): try again.
            del self.busy[connection]
            self._ask(connection.due)
        else:
            self.failed(connection, "broken")

    def failed(self, connection: _Connection, why: str) -> None:
        """A request ends without a response."""
        if connection not in self.busy:
            return
        del self.busy[connection]
        self._count(connection.due, why)
        if hasattr(connection, "transport"):
            connection.transport.abort()
        self._next(time.perf_counter())

    def _count(self, due: float, why: str) -> None:
        self.errors[why] += 1
        if why == "timeout":
            self.latencies.append(time.perf_counter() - due)

    def _next(self, now: float) -> None:
        if self.waiting:
            self._ask(self.waiting.popleft())
        elif isinstance(self.load, Closed) and now < self.end:
            self._ask(now)
        self._check()

    def _check(self) -> None:
        if not (self.arriving or self.busy or self.waiting):
            self.over.set()

    async def _watch(self) -> None:
        """Abandon requests that take too long."""
        while True:
            await asyncio.sleep(LOOK)
            overdue = time.perf_counter() - self.patience
            for connection in [each for each in self.busy if each.due < overdue]:
                self.failed(connection, "timeout")
            while self.waiting and self.waiting[0] < overdue:
                self._count(self.waiting.popleft(), "timeout")
            self._check()
