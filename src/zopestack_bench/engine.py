"""The bundled load generator: one thread, non-blocking sockets, closed and open loop.

In the open loop a request's latency counts from the moment it should have started, even
where no connection was free then: a server that stalls cannot slow down the questions,
which would leave out just the requests that suffered ("coordinated omission").
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, cycle, zip_longest

from zopestack.address import Address
from zopestack_bench.measured import Closed, Measured, Open, percentiles
from zopestack_bench.responses import Malformed, Response
from zopestack_bench.workloads import host_and_path

#: Connections of the open loop; more arrivals than this wait for one, and that counts.
MAX_CONNECTIONS = 512

#: Seconds a request may take before it is given up and counted as an error.
PATIENCE = 10.0


@dataclass
class _Exchange:
    """One request and what has come back.

    :param intended: when it should have started; latency counts from here.
    """

    intended: float
    sock: socket.socket
    reused: bool
    response: Response = field(default_factory=Response)


def run(
    address: Address,
    paths: tuple[str, ...],
    load: Closed | Open,
    seconds: float,
    patience: float = PATIENCE,
    cookies: tuple[str, ...] = (),
    source: str = "",
) -> Measured:
    """Ask for the paths in turn for so many seconds, and wait for what is then in flight.

    :param patience: seconds after which a request is given up.
    :param cookies: sent with each of the paths.
    :param source: the address to connect from; empty for the system's choice.
    """
    requests = tuple(_request(address, *each) for each in zip_longest(paths, cookies))
    engine = _Engine(address, requests, load, seconds, patience, source)
    try:
        return engine.run()
    finally:
        engine.close()


def _request(address: Address, path: str, cookie: str | None) -> bytes:
    host, path = host_and_path(path, address)
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"Cookie: {cookie}"] if cookie else []
    return "\r\n".join([*lines, "", ""]).encode()


class _Engine:
    def __init__(
        self,
        address: Address,
        requests: tuple[bytes, ...],
        load: Closed | Open,
        seconds: float,
        patience: float,
        source: str,
    ) -> None:
        self.address = (address.host, address.port)
        self.family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self.source = source
        self.requests = cycle(requests)
        self.load = load
        self.patience = patience
        self.selector = selectors.DefaultSelector()
        self.idle: deque[socket.socket] = deque()
        self.busy: dict[socket.socket, _Exchange] = {}
        self.waiting: deque[float] = deque()
        self.started = time.perf_counter()
        self.end = self.started + seconds
        self.arrivals = self._arrivals(load, seconds)
        self.next_arrival = next(self.arrivals, None)
        self.limit = load.clients if isinstance(load, Closed) else MAX_CONNECTIONS
        self.latencies: list[float] = []
        self.good = self.late = 0
        self.errors: Counter[str] = Counter()

    def _arrivals(self, load: Closed | Open, seconds: float) -> Iterator[float]:
        """When requests should start; a closed loop only says when its clients start."""
        if isinstance(load, Closed):
            yield from (self.started for _ in range(load.clients))
            return
        for number in count():
            if number >= load.rate * seconds:
                return
            yield self.started + number / load.rate

    def run(self) -> Measured:
        seconds = self.end - self.started
        while self.next_arrival is not None or self.waiting or self.busy:
            now = time.perf_counter()
            self._arrive(now)
            self._give_up(now)
            for key, events in self.selector.select(self._pause()):
                sock: socket.socket = key.fileobj  # type: ignore[assignment]
                if events & selectors.EVENT_WRITE:
                    self._connected(sock)
                else:
                    self._receive(sock)
        return Measured(
            seconds=seconds,
            requests=self.good,
            late=self.late,
            errors=dict(self.errors),
            latency=percentiles(self.latencies),
        )

    def close(self) -> None:
        """Drop every connection."""
        for sock in (*self.idle, *self.busy):
            sock.close()
        self.selector.close()

    def _pause(self) -> float:
        now = time.perf_counter()
        due = [exchange.intended + self.patience for exchange in list(self.busy.values())[:1]]
        due += [self.next_arrival] if self.next_arrival is not None else []
        return max(0.0, min(due, default=now) - now)

    def _arrive(self, now: float) -> None:
        while self.next_arrival is not None and self.next_arrival <= now:
            self.waiting.append(self.next_arrival)
            self.next_arrival = next(self.arrivals, None)
        while self.waiting and len(self.busy) < self.limit:
            self._ask(self.waiting.popleft())

    def _ask(self, intended: float) -> None:
        if self.idle:
            sock = self.idle.popleft()
            self.busy[sock] = _Exchange(intended, sock, reused=True)
            self._send(sock)
            return
        sock = socket.socket(self.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.source:
            sock.bind((self.source, 0))
        self.busy[sock] = _Exchange(intended, sock, reused=False)
        sock.connect_ex(self.address)
        self.selector.register(sock, selectors.EVENT_WRITE)

    def _connected(self, sock: socket.socket) -> None:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._fail(sock, "connect")
            return
        self.selector.modify(sock, selectors.EVENT_READ)
        self._send(sock)

    def _send(self, sock: socket.socket) -> None:
        # A request is far smaller than any socket's buffer.
        try:
            sock.send(next(self.requests))
        except OSError:
            self._fail(sock, "broken")

    def _receive(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(262144)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        exchange = self.busy.get(sock)
        if exchange is None:
            # An idle connection that the server closes.
            self.idle.remove(sock)
            self._drop(sock)
            return
        try:
            if data:
                exchange.response.feed(data)
            elif not exchange.response.closed():
                self._broken(exchange)
                return
        except Malformed:
            self._fail(sock, "broken")
            return
        if exchange.response.complete:
            self._answered(exchange)

    def _broken(self, exchange: _Exchange) -> None:
        """Closed without a whole answer: an idle connection that raced with our request
        (RFC 9112, 9.3.1) is tried again on a new one, anything else is an error."""
        if exchange.reused and not exchange.response.status:
            del self.busy[exchange.sock]
            self._drop(exchange.sock)
            self.waiting.appendleft(exchange.intended)
        else:
            self._fail(exchange.sock, "broken")

    def _answered(self, exchange: _Exchange) -> None:
        now = time.perf_counter()
        del self.busy[exchange.sock]
        if exchange.response.status < 400:
            self.good += 1
            self.late += now > self.end
            self.latencies.append(now - exchange.intended)
        else:
            self.errors[f"status {exchange.response.status}"] += 1
        if exchange.response.reusable:
            self.idle.append(exchange.sock)
        else:
            self._drop(exchange.sock)
        self._next(now)

    def _fail(self, sock: socket.socket, why: str) -> None:
        exchange = self.busy.pop(sock)
        now = time.perf_counter()
        self.errors[why] += 1
        if why == "timeout":
            self.latencies.append(now - exchange.intended)
        self._drop(sock)
        self._next(now)

    def _next(self, now: float) -> None:
        """In a closed loop, the client asks again."""
        if isinstance(self.load, Closed) and now < self.end:
            self.waiting.append(now)

    def _drop(self, sock: socket.socket) -> None:
        self.selector.unregister(sock)
        sock.close()

    def _give_up(self, now: float) -> None:
        # In the order of their start, so the first that may wait on ends the search.
        for sock, exchange in list(self.busy.items()):
            if exchange.intended + self.patience > now:
                break
            self._fail(sock, "timeout")
        while self.waiting and self.waiting[0] + self.patience < now:
            self.errors["timeout"] += 1
            self.latencies.append(now - self.waiting.popleft())
