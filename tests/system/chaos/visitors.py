"""Visitors who keep their connections busy, and remember what they were promised."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from operator import le

from tests.support.polling import until
from zopestack.features.address import Address

#: Seconds a visitor waits for an answer; longer than any wait that is allowed here.
PATIENCE = 90

#: Every how manyth request writes.
POST_EVERY = 3


@dataclass
class Tally:
    """What one visitor saw.

    :ivar failures: by kind, such as ``GET 503`` or ``POST RemoteDisconnected``.
    :ivar acknowledged: numbers whose record was confirmed.
    :ivar unsure: numbers that were sent and not confirmed.
    :ivar worst_gap: the longest time between two good answers, seconds.
    """

    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    acknowledged: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    worst_gap: float = 0.0


class Visitor(threading.Thread):
    """One connection, one request after the other, until it is told to leave.

    :param page: the path of what it reads.
    :param patience: seconds to wait for an answer.
    """

    def __init__(
        self,
        number: int,
        address: Address,
        page: str,
        leave: threading.Event,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(name=f"visitor {number}", daemon=True)
        self.number = number
        self.address = address
        self.page = page
        self.leave = leave
        self.patience = patience
        self.tally = Tally()
        self.lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._next = 0
        self._last_good = time.monotonic()

    def run(self) -> None:
        """Visit."""
        turn = 0
        while not self.leave.is_set():
            turn += 1
            if turn % POST_EVERY:
                self._visit("GET", self.page, None)
            else:
                self._next += 1
                self._visit("POST", "/ledger/record", self._next)

    def take(self) -> Tally:
        """What was seen since the last time, for one scenario's figures."""
        with self.lock:
            taken, self.tally = self.tally, Tally()
            # A gap that began before belongs to the scenario that ends it.
            return taken

    def _visit(self, method: str, path: str, number: int | None) -> None:
        failure = self._ask(method, path, number)
        now = time.monotonic()
        with self.lock:
            self.tally.requests += 1
            if failure:
                self.tally.failures[f"{method} {failure}"] += 1
            else:
                self.tally.worst_gap = max(self.tally.worst_gap, now - self._last_good)
                self._last_good = now
            if number is not None:
                (self.tally.unsure if failure else self.tally.acknowledged).add(number)
        if failure:
            self._hang_up()
            # A person does not knock a thousand times a second.
            self.leave.wait(0.05)

    def _ask(self, method: str, path: str, number: int | None) -> str:
        """The kind of failure, or nothing."""
        body = None if number is None else f"visitor={self.number}&number={number}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    self.address.host, self.address.port, timeout=self.patience
                )
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as why:
            return type(why).__name__
        if answer.status != 200:
            return str(answer.status)
        if number is not None and text != f"recorded {number}":
            return f"answered {text[:40]!r}"
        return ""

    def _hang_up(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None


class Crowd:
    """Several visitors at once.

    :param size: how many connections are kept busy.
    :param page: the path of what they read.
    :param first: the number of the first visitor.
    :param patience: seconds that they wait for an answer.
    """

    def __init__(
        self, address: Address, size: int, page: str, first: int = 0, patience: float = PATIENCE
    ) -> None:
        self.leave = threading.Event()
        numbers = range(first, first + size)
        self.visitors = [Visitor(each, address, page, self.leave, patience) for each in numbers]
        self._seen = Tally()
        #: What each visitor was promised, over all scenarios.
        self.acknowledged: dict[str, set[int]] = {str(number): set() for number in numbers}

    def __enter__(self) -> Crowd:
        for visitor in self.visitors:
            visitor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave.set()
        for visitor in self.visitors:
            visitor.join(PATIENCE + 10)
        self._collect()

    def until_written(self, records: int = 20) -> None:
        """Wait until some more records are acknowledged."""
        until("more records", self._written, partial(le, self._written() + records))

    def _written(self) -> int:
        self._collect()
        return sum(map(len, self.acknowledged.values()))

    def take(self) -> Tally:
        """What all visitors saw since the last time."""
        self._collect()
        seen, self._seen = self._seen, Tally()
        return seen

    def _collect(self) -> None:
        for visitor in self.visitors:
            taken = visitor.take()
            self._seen.requests += taken.requests
            self._seen.failures += taken.failures
            self._seen.worst_gap = max(self._seen.worst_gap, taken.worst_gap)
            self.acknowledged[str(visitor.number)] |= taken.acknowledged
