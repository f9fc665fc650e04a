"""Spend a time budget on the candidates that may still win (successive halving).

All are measured briefly, the better half again for twice as long, and so on. The current layout
stays to the end, since it is what the winner must beat.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from zopestack_bench.plan import OVERHEAD
from zopestack_bench.ratios import Ratio
from zopestack_bench.record import Experiment, Outcome, Sample

#: Seconds of load in one measurement.
SECONDS = 1.0

#: A candidate that uses less memory is preferred to the best one if it serves at least this share
#: of its requests.
CLOSE = 0.97

#: Share of the time in which the winner is measured once more, and the fewest rounds of that: from
#: five on, a spread says something (``ratios``).
CONFIRMATION = 0.2
FEWEST_ROUNDS = 5

#: The figure by which candidates are judged.
SCORE = "requests/s"


@dataclass
class Search:
    """A search among layouts.

    :param experiment: with all candidates; those left are measured in so many rounds of it.
    :param current: the candidate in use.
    :param memory: bytes by candidate, known before; what is measured replaces it if it is more.
    :param budget: bytes that a candidate may use.
    :param samples: all that was measured.
    """

    experiment: Experiment
    current: str
    memory: dict[str, int]
    measure: Callable[[Experiment], Outcome]
    budget: float = math.inf
    samples: list[Sample] = field(default_factory=list)

    def run(self, seconds: float, say: Callable[[str], None]) -> str:
        """The candidate to recommend, after about so many seconds."""
        end = time.monotonic() + seconds * (1 - CONFIRMATION)
        left = self.experiment.layouts
        rungs = max(1, math.ceil(math.log2(len(left))))
        for rung in range(rungs):
            share = max(0.0, end - time.monotonic()) / (rungs - rung)
            rounds = max(1, int(share / (len(left) * (SECONDS + OVERHEAD))))
            say(f"{len(left)} candidates, {rounds} rounds each: {', '.join(left)}")
            self._measure(left, rounds)
            if rung < rungs - 1:
                left = self.better_half(left)
        found = self.winner(left)
        rounds = int(seconds * CONFIRMATION / (2 * (SECONDS + OVERHEAD)))
        if self._confirmed(found, max(FEWEST_ROUNDS, rounds), say):
            return found
        say(f"{found} was better by chance: no difference")
        return self.current

    def _confirmed(self, name: str, rounds: int, say: Callable[[str], None]) -> bool:
        """Whether a candidate that was better than the current layout is so once more: of many
        equal ones, one is the best by chance."""
        cheaper = self.memory[name] < self.memory[self.current]
        if name == self.current or cheaper or not self.fits(self.current):
            return True
        say(f"{name} and {self.current} once more, {rounds} rounds each")
        before = self._rounds()
        self._measure((name, self.current), rounds)
        fresh = [sample for sample in self.samples if sample.round > before]
        return _better(replace(self.outcome, samples=fresh).ratio(name, self.current, SCORE))

    def better_half(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The better half of the candidates so far, and the current layout."""
        fitting = [name for name in names if self.fits(name)]
        ranked = sorted(fitting, key=lambda name: self.against(name, self.current).median)
        kept = set(ranked[-math.ceil(len(names) / 2) :]) | {self.current}
        return tuple(name for name in names if name in kept)

    def fits(self, name: str) -> bool:
        """Whether a candidate keeps to the memory."""
        return self.memory[name] <= self.budget

    def winner(self, names: tuple[str, ...]) -> str:
        """Of the best candidates, the one that uses the least memory. The current layout where
        nothing is better and it keeps to the memory, or where nothing does."""
        fitting = [name for name in names if self.fits(name)] or [self.current]
        best = max(fitting, key=lambda name: self.against(name, self.current).median)
        close = [name for name in fitting if self.as_good(name, best)]
        cheapest = min(close, key=lambda name: (self.memory[name], name != self.current))
        saves = self.memory[cheapest] < self.memory[self.current]
        if (
            not self.fits(self.current)
            or _better(self.against(cheapest, self.current))
            or (saves and self.as_good(cheapest, self.current))
        ):
            return cheapest
        return self.current

    def as_good(self, name: str, other: str) -> bool:
        """Whether a candidate is about as good as another."""
        return name == other or self.against(name, other).median >= CLOSE

    def against(self, name: str, other: str) -> Ratio:
        """The score of a candidate over that of another."""
        return self.outcome.ratio(name, other, SCORE)

    @property
    def outcome(self) -> Outcome:
        """All that was measured so far."""
        return Outcome(self.experiment, self.samples)

    def _measure(self, names: tuple[str, ...], rounds: int) -> None:
        done = self._rounds()
        experiment = replace(self.experiment, layouts=names, rounds=rounds)
        for sample in self.measure(experiment).samples:
            self.samples.append(replace(sample, round=sample.round + done))
            used = round(1e6 * (sample.figures.get("memory MB") or 0))
            self.memory[sample.layout] = max(self.memory[sample.layout], used)

    def _rounds(self) -> int:
        return max((sample.round for sample in self.samples), default=0)


def _better(ratio: Ratio) -> bool:
    return ratio.differs and ratio.median > 1
