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

    return uvloop.run(_Generator(address, requests, patience, source).run(load, seconds))


def _request(address: Address, path: str, cookie: str | None) -> bytes:
    host, path = host_and_path(path, address)
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"Cookie: {cookie}"] if cookie else []
    return "\r\n".join([*lines, "", ""]).encode()


class _Cut(Exception):
    """A response is not whole: its connection was closed before, or it is no HTTP."""


class _Connection(asyncio.Protocol):
    """A connection to the server, with at most one request in flight.

    :ivar response: the status of the response to it and when the last byte came.
    :ivar begun: whether any byte of the response is there.
    :ivar headed: whether all of its headers are.
    :ivar framed: whether they say where it ends; otherwise the end is the close.
    :ivar reusable: whether the connection is good for another request.
    """

    transport: asyncio.Transport
    response: asyncio.Future[tuple[int, float]] | None = None
    begun = headed = framed = reusable = False

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)

    async def ask(self, request: bytes) -> tuple[int, float]:
        """Send a request and wait for the response.

        :raises _Cut: where it does not come whole.
        """
        self.begun = self.headed = self.framed = self.reusable = False
        self.response = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.response

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.begun = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._end(whole=False)

    def connection_lost(self, why: Exception | None) -> None:
        self._end(whole=self.headed and not self.framed)

    # Called by the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        self.framed |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_message_complete(self) -> None:
        self.reusable = self.parser.should_keep_alive()
        self._end(whole=True)

    def _end(self, whole: bool) -> None:
        if self.response is None or self.response.done():
            return
        if whole:
            self.response.set_result((self.parser.get_status_code(), time.perf_counter()))
        else:
            self.response.set_exception(_Cut())


class _Generator:
    """One period of load.

    :ivar idle: open connections without a request, the one that rests longest first.
    :ivar free: what a request takes before it is given a connection.
    """

    def __init__(
        self, address: Address, requests: tuple[bytes, ...], patience: float, source: str
    ) -> None:
        self.address, self.requests, self.patience = address, cycle(requests), patience
        self.local = (source, 0) if source else None
        self.idle: deque[_Connection] = deque()
        self.latencies: list[float] = []
        self.good = self.late = 0
        self.errors: Counter[str] = Counter()

    async def run(self, load: Closed | Open, seconds: float) -> Measured:
        """Generate the load; returns when the last request is answered or abandoned."""
        limit = load.clients if isinstance(load, Closed) else MAX_CONNECTIONS
        self.free = asyncio.Semaphore(limit)
        began = time.perf_counter()
        self.end = began + seconds
        async with asyncio.TaskGroup() as tasks:
            if isinstance(load, Closed):
                for _ in range(load.clients):
                    tasks.create_task(self._client(began))
            else:
                for number in range(math.ceil(load.rate * seconds)):
                    due = began + number / load.rate
                    await _sleep_until(due)
                    tasks.create_task(self._request(due))
        for connection in self.idle:
            connection.transport.abort()
        latency = percentiles(self.latencies)
        return Measured(seconds, self.good, self.late, dict(self.errors), latency)

    async def _client(self, due: float) -> None:
        while due < self.end:
            await self._request(due)
            due = time.perf_counter()

    async def _request(self, due: float) -> None:
        """Make one request, and count what comes of it.

        :param due: when, in seconds of ``time.perf_counter``.
        """
        try:
            async with asyncio.timeout(due + self.patience - time.perf_counter()), self.free:
                status, answered = await self._response(next(self.requests))
        except TimeoutError:
            self.errors["timeout"] += 1
            self.latencies.append(time.perf_counter() - due)
        except OSError:
            self.errors["connect"] += 1
        except _Cut:
            self.errors["broken"] += 1
        else:
            if status < http.HTTPStatus.BAD_REQUEST:
                self.good += 1
                self.late += answered > self.end
                self.latencies.append(answered - due)
            else:
                self.errors[f"status {status}"] += 1

    async def _response(self, request: bytes) -> tuple[int, float]:
        while True:
            connection = self._rested()
            used = connection is not None
            connection = connection or await self._open()
            try:
                found = await connection.ask(request)
            except _Cut:
                # The close of an idle connection raced with the request (RFC 9112, 9.3.1): try
                # again.
                if not used or connection.begun:
                    raise
            else:
                if connection.reusable:
                    self.idle.append(connection)
                return found
            finally:
                if not connection.reusable:
                    connection.transport.abort()

    def _rested(self) -> _Connection | None:
        """An idle connection that the server has not closed, if there is one."""
        while self.idle:
            connection = self.idle.popleft()
            if not connection.transport.is_closing():
                return connection
        return None

    async def _open(self) -> _Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection, self.address.host, self.address.port, local_addr=self.local
        )
        return connection


async def _sleep_until(moment: float) -> None:
    """Sleep at least once, so that responses are handled also where requests are late. A timer
    may end some microseconds early."""
    await asyncio.sleep(max(0, moment - time.perf_counter()))
    while (left := moment - time.perf_counter()) > 0:
        await asyncio.sleep(left)
