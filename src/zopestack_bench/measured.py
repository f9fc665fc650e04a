"""What the load generator is asked for, and what it reports."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

#: The percentiles that are kept; 100 is the slowest request.
PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)


@dataclass(frozen=True)
class Closed:
    """So many clients; each sends its next request as soon as it has a response."""

    clients: int

    @property
    def most(self) -> int:
        """The most requests in flight."""
        return self.clients

    def __str__(self) -> str:
        return f"{self.clients} client{'s' if self.clients > 1 else ''}"


@dataclass(frozen=True)
class Open:
    """Requests start at a fixed rate, whether or not earlier ones have a response.

    :param rate: requests a second.
    """

    rate: float

    @property
    def most(self) -> int:
        """The most requests in flight: there is no limit."""
        return sys.maxsize

    def __str__(self) -> str:
        return f"{self.rate:.4g} arrivals/s"


@dataclass(frozen=True)
class Measured:
    """The outcome of one period of load.

    :param seconds: the time during which requests were started.
    :param requests: good responses (status below 400), those after that time included.
    :param late: how many of them came after that time.
    :param errors: failed requests by reason: ``status 503``, ``connect``, ``broken``, ``timeout``.
    :param latency: seconds by percentile, of good responses and of abandoned requests. Those
        count with the time they had waited: without them a stalled server would look fast.
    """

    seconds: float
    requests: int
    late: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latency: dict[float, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Good responses a second."""
        return (self.requests - self.late) / self.seconds

    @property
    def failed(self) -> int:
        """All errors."""
        return sum(self.errors.values())

    def milliseconds(self, which: float) -> float | None:
        """A percentile of the latency in milliseconds; None where there was no response."""
        return 1000 * self.latency[which] if self.latency else None


def percentiles(latencies: Sequence[float]) -> dict[float, float]:
    """The kept percentiles by nearest rank: each is the latency of some request."""
    ranked = sorted(latencies)
    return {p: ranked[max(0, math.ceil(p / 100 * len(ranked)) - 1)] for p in PERCENTILES if ranked}
