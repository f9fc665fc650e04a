"""Is one layout better than another? Medians of ratios within a round, and their spread.

A machine that drifts is fair to all that are measured in the same round, so figures are compared
within rounds and only the ratios across them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: The probability that the spread holds the true median, where there are rounds enough.
CONFIDENCE = 0.9

#: Rounds from which on the spread has that probability, and its width, as a share of the median,
#: from which on no further rounds are made (docs/explanation/benchmark.rst).
ENOUGH, WIDTH = 5, 0.1


@dataclass(frozen=True)
class Ratio:
    """How many times a figure of one layout is that of another.

    :param median: over the rounds.
    :param low, high: the spread.
    :param rounds: how many ratios there were.
    """

    median: float
    low: float
    high: float
    rounds: int

    @property
    def differs(self) -> bool:
        """Whether the spread excludes "no difference". One round cannot tell."""
        return self.rounds > 1 and not self.low <= 1 <= self.high

    @property
    def narrow(self) -> bool:
        """Whether further rounds would tell little more. What the ratio is plays no part: to stop
        as soon as a promise is kept would favour promises."""
        return self.rounds >= ENOUGH and self.high - self.low <= WIDTH * self.median

    def __str__(self) -> str:
        if not self.rounds:
            return "not measured"
        return f"{shown(self.median)} ({shown(self.low)} to {shown(self.high)})"

    @property
    def verdict(self) -> str:
        """The ratio in words."""
        if self.rounds < 2:
            return f"{shown(self.median)} (one round)" if self.rounds else "not measured"
        return str(self) if self.differs else f"{self}: no difference"


#: Where no round has both figures.
NOT_MEASURED = Ratio(math.nan, math.nan, math.nan, 0)


def shown(value: float) -> str:
    """Two decimals; of a ratio far below 1, its first digit."""
    return f"{value:.2f}" if abs(value) >= 0.01 or not value else f"{value:.1g}"


def ratio(these: Sequence[float], those: Sequence[float]) -> Ratio:
    """The ratio of two series of figures, one of each a round, in the same order.

    Rounds in which a figure is missing (NaN) or the second is zero are left out.
    """
    if len(these) != len(those):
        raise ValueError(f"{len(these)} figures cannot be compared with {len(those)}")
    found = sorted(
        this / that
        for this, that in zip(these, those, strict=True)
        if math.isfinite(this) and math.isfinite(that) and that
    )
    if not found:
        return NOT_MEASURED
    outer = _outer(len(found))
    return Ratio(statistics.median(found), found[outer], found[-1 - outer], len(found))


def median(figures: Sequence[float]) -> float:
    """The median of the figures that are there, or NaN."""
    found = [figure for figure in figures if math.isfinite(figure)]
    return statistics.median(found) if found else math.nan


def _outer(number: int) -> int:
    """How many values at each end of a sorted series lie outside the spread.

    The interval between two order statistics holds the true median with a probability that
    follows from tossing a coin for each value, whatever their distribution. Below five values no
    interval reaches the confidence, and the spread is all of them.
    """
    outer = 0
    while outer + 1 < number / 2:
        missed = 2 * sum(math.comb(number, k) for k in range(outer + 2)) / 2**number
        if 1 - missed < CONFIDENCE:
            break
        outer += 1
    return outer
