"""How long things took, counted by many threads at once without a lock."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate

from zopestack.figure import Distribution

#: Upper bounds in seconds: from a light page to the usual ``request-timeout``.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Labels = tuple[str, ...]


class Times:
    """Durations by their labels.

    Between the reading and the writing of a number there is no call into Python, which is where the
    interpreter may let another thread run. So no addition is lost.
    """

    def __init__(self) -> None:
        self._numbers: defaultdict[tuple[Labels, int], int] = defaultdict(int)
        self._seconds: defaultdict[Labels, float] = defaultdict(float)

    def add(self, labels: Labels, seconds: float) -> None:
        """Count one duration."""
        key = labels, bisect_left(BOUNDS, seconds)
        self._numbers[key] += 1
        self._seconds[labels] += seconds

    def distributions(self) -> dict[Labels, Distribution]:
        """The durations so far."""
        numbers, seconds = dict(self._numbers), dict(self._seconds)
        texts = [*map(str, BOUNDS), "+Inf"]
        return {
            labels: Distribution(
                tuple(
                    zip(
                        texts,
                        accumulate(numbers.get((labels, place), 0) for place in range(len(texts))),
                        strict=True,
                    )
                ),
                total,
            )
            for labels, total in seconds.items()
        }
