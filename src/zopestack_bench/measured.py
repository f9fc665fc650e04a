"""What a load generator reports: pure data, the same whichever generator made it."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

#: The percentiles that are kept; 100 is the slowest request.
PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)


@dataclass(frozen=True)
class Closed:
    """So many clients, each asks again as soon as it has its answer."""

    clients: int

    @property
    def most(self) -> int:
        """Requests that there can be at once."""
        return self.clients

    def __str__(self) -> str:
        return f"{self.clients} client{'s' if self.clients > 1 else ''}"


@dataclass(frozen=True)
class Open:
    """Requests arrive at a fixed rate, whether or not earlier ones are answered.

    :param rate: requests a second.
    """

    rate: float

    @property
    def most(self) -> int:
        """Requests that there can be at once: any number, for what a machine can carry."""
        return sys.maxsize

    def __str__(self) -> str:
        return f"{self.rate:.4g} arrivals/s"


@dataclass(frozen=True)
class Measured:
    """The outcome of one period of load.

    :param seconds: how long requests were started.
    :param requests: good answers (status below 400), also those that came later than that.
    :param late: how many of them came after the period.
    :param errors: how many requests failed, by reason: ``status 503``, ``connect``,
        ``broken`` or ``timeout``.
    :param latency: seconds by percentile, of good answers and of requests given up. Those
        count with the time they had waited: leaving them out would flatter a stalled server.
    :param generator: ``wrk`` or ``bundled``.
    """

    seconds: float
    requests: int
    late: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latency: dict[float, float] = field(default_factory=dict)
    generator: str = "bundled"

    @property
    def rate(self) -> float:
        """Good answers a second, within the period."""
        return (self.requests - self.late) / self.seconds

    @property
    def failed(self) -> int:
        """All errors."""
        return sum(self.errors.values())

    def percentile(self, which: float) -> float:
        """Latency in seconds, or NaN where nothing was answered."""
        return self.latency.get(which, math.nan)


def percentiles(latencies: Sequence[float]) -> dict[float, float]:
    """The kept percentiles by nearest rank: each is a latency that some request had."""
    ranked = sorted(latencies)
    return {p: ranked[max(0, math.ceil(p / 100 * len(ranked)) - 1)] for p in PERCENTILES if ranked}
