"""What the project promises of its layouts on 2 cores, and what is worth knowing of them, to
be compared with each run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zopestack_bench import fronts
from zopestack_bench.measured import Closed, Open
from zopestack_bench.ratios import Ratio, ratio
from zopestack_bench.record import Run

#: The load of most promises.
LOAD = Closed(8)


@dataclass(frozen=True)
class Bound:
    """What a ratio is to keep to."""

    value: float
    at_least: bool

    def __str__(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.value:g}"

    def holds(self, found: Ratio) -> bool:
        """Whether the median keeps to it; one that was not measured does not."""
        if self.at_least:
            return found.median >= self.value
        return found.median <= self.value


@dataclass(frozen=True)
class Comparison:
    """A figure of one layout over that of another under one load.

    :param bound: what is promised of it; None where nothing is.
    """

    workload: str
    load: Closed | Open
    figure: str
    this: str
    that: str
    bound: Bound | None = None

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"{self.workload} page, {self.load}: {self.figure} of {self.this} over {self.that}"


@dataclass(frozen=True)
class Claim:
    """A comparison, and what came out."""

    title: str
    bound: Bound | None
    ratio: Ratio

    @property
    def expected(self) -> str:
        """The promise in words."""
        return str(self.bound or "")

    @property
    def met(self) -> bool:
        """Whether the promise is kept; nothing is where nothing is promised."""
        return self.bound is not None and self.bound.holds(self.ratio)

    @property
    def verdict(self) -> str:
        """The same in words."""
        return ("kept" if self.met else "not kept") if self.bound else ""


def at_least(value: float) -> Bound:
    """A lower bound."""
    return Bound(value, at_least=True)


def at_most(value: float) -> Bound:
    """An upper bound."""
    return Bound(value, at_least=False)


PROMISES = (
    Comparison("cpu", LOAD, "requests/s", "2x1", "1x4 direct", at_least(2.1)),
    Comparison("cpu", LOAD, "p99 ms", "2x1", "1x4 direct", at_most(0.5)),
    Comparison("cpu", LOAD, "requests/s", "2x2", "1x4 direct", at_least(1.8)),
    Comparison("light", LOAD, "requests/s", "2x1", "1x4 direct", at_least(1.9)),
    Comparison("light", LOAD, "requests/s", "2x1", "stock HAProxy", at_least(1.7)),
    Comparison("light", LOAD, "requests/s", "2x1", "gunicorn", at_least(0.95)),
    Comparison(
        "cpu", fronts.ARRIVALS, "p99 ms", fronts.SLOW_READERS, fronts.UNDISTURBED, at_most(1.5)
    ),
    Comparison(
        "cpu", fronts.ARRIVALS, "p99 ms", fronts.SLOW_SENDERS, fronts.UNDISTURBED, at_most(2)
    ),
)

#: CPU per request of the whole 2x1 under load over that of one instance with one client.
COST = at_most(1.10)

#: What is promised of nobody, but decides what is worth having.
FINDINGS = (
    Comparison("cpu", fronts.BRIEFLY, "requests/s", fronts.NO_SLOTS_READERS, fronts.UNDISTURBED),
    *(
        Comparison("light", fronts.LIGHT, "front end CPU ms", fronts.GENERATED, less)
        for less in (fronts.BARE, fronts.NO_SLOTS, fronts.NO_LOG, fronts.UNCHECKED)
    ),
    Comparison("light", fronts.LIGHT, "front end CPU ms", fronts.COUNTED, fronts.GENERATED),
    Comparison("light", fronts.LIGHT, "CPU ms", fronts.GENERATED, fronts.BARE),
    Comparison("light", fronts.LIGHT, "requests/s", fronts.GENERATED, fronts.BARE),
    *(
        Comparison(site, load, figure, f"affinity {kind}", "affinity none")
        for site, load in fronts.READ
        for figure in ("cache hits %", "requests/s")
        for kind in fronts.AFFINITIES[1:]
    ),
)


def claims(run: Run) -> list[Claim]:
    """Every promise this run can tell about."""
    return [*_compared(run, PROMISES), *_cost(run)]


def findings(run: Run) -> list[Claim]:
    """What this run can tell of the rest."""
    return list(_compared(run, FINDINGS))


def _compared(run: Run, comparisons: tuple[Comparison, ...]) -> Iterator[Claim]:
    for each in comparisons:
        outcome = run.find(each.workload, each.load, each.this, each.that)
        if outcome:
            found = outcome.ratio(each.this, each.that, each.figure)
            yield Claim(each.title, each.bound, found)


def _cost(run: Run) -> Iterator[Claim]:
    loaded, alone = run.find("cpu", LOAD, "2x1"), run.find("cpu", Closed(1), "1x1 direct")
    if not loaded or not alone:
        return
    these = loaded.series("2x1", "CPU ms")
    those = alone.series("1x1 direct", "CPU ms")
    rounds = min(len(these), len(those))
    title = "cpu page: CPU ms of 2x1 with 8 clients over 1x1 direct with 1"
    yield Claim(title, COST, ratio(these[:rounds], those[:rounds]))
