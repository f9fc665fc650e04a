"""Every sample of a run, as it is kept in samples.json and read by plots and report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cattrs.preconf.json import make_converter

from zopestack_bench import ratios
from zopestack_bench.measured import Closed, Measured, Open

_converter = make_converter()


@dataclass(frozen=True)
class Experiment:
    """Layouts that are compared under one load, round by round.

    :param seconds: of load for each layout in each round.
    """

    workload: str
    load: Closed | Open
    layouts: tuple[str, ...]
    rounds: int
    seconds: float


@dataclass(frozen=True)
class Sample:
    """One layout under load once.

    :param cpu: seconds used by role: ``zope``, ``balancer``, ``zeo``, and ``log`` where
        others keep the balancer's log.
    :param voluntary: context switches of threads that waited, all roles.
    :param involuntary: context switches of threads that were sent away, all roles.
    :param rescheduling: interrupts of the whole machine; None where it does not count them.
    :param pss: bytes of memory by role.
    :param queue: mean seconds a request waited in HAProxy, as HAProxy says.
    :param others: cores that were taken by processes which are no part of the benchmark.
    :param gil: seconds of waiting for the GIL per request, of the page that measures it.
    :param objects: persistent objects a request asked for, of the page that counts them.
    :param loads: how many of them were not in the instance's ZODB cache.
    """

    layout: str
    round: int
    measured: Measured
    cpu: dict[str, float]
    voluntary: int
    involuntary: int
    rescheduling: int | None
    pss: dict[str, int]
    queue: float | None = None
    gil: float | None = None
    others: float = 0.0
    objects: float | None = None
    loads: float | None = None

    def figure(self, name: str) -> float:
        """One of :data:`FIGURES`; NaN where it was not measured."""
        return FIGURES[name](self)

    def per_request(self, amount: float | None) -> float:
        """An amount divided by all requests that were answered, in whatever way."""
        answered = self.measured.requests + sum(
            count for why, count in self.measured.errors.items() if why.startswith("status")
        )
        return amount / answered if answered and amount is not None else math.nan


def _milliseconds(seconds: float | None) -> float:
    return math.nan if seconds is None else 1000 * seconds


def _front(cpu: Mapping[str, float]) -> float | None:
    """What stands in front of Zope: the balancer, and what keeps its log."""
    return cpu["balancer"] + cpu.get("log", 0) if "balancer" in cpu else None


#: What is shown of a sample, by the words it is shown with.
FIGURES: dict[str, Callable[[Sample], float]] = {
    "requests/s": lambda s: s.measured.rate,
    "p50 ms": lambda s: _milliseconds(s.measured.percentile(50)),
    "p95 ms": lambda s: _milliseconds(s.measured.percentile(95)),
    "p99 ms": lambda s: _milliseconds(s.measured.percentile(99)),
    "Zope CPU ms": lambda s: _milliseconds(s.per_request(s.cpu.get("zope"))),
    "balancer CPU ms": lambda s: _milliseconds(s.per_request(s.cpu.get("balancer"))),
    "ZEO CPU ms": lambda s: _milliseconds(s.per_request(s.cpu.get("zeo"))),
    "log CPU ms": lambda s: _milliseconds(s.per_request(s.cpu.get("log"))),
    "front end CPU ms": lambda s: _milliseconds(s.per_request(_front(s.cpu))),
    "CPU ms": lambda s: _milliseconds(s.per_request(sum(s.cpu.values()) if s.cpu else None)),
    "voluntary switches": lambda s: s.per_request(s.voluntary),
    "involuntary switches": lambda s: s.per_request(s.involuntary),
    "rescheduling interrupts": lambda s: s.per_request(s.rescheduling),
    "GIL wait ms": lambda s: _milliseconds(s.gil),
    "queue ms": lambda s: _milliseconds(s.queue),
    "objects": lambda s: math.nan if s.objects is None else s.objects,
    "loads": lambda s: math.nan if s.loads is None else s.loads,
    "cache hits %": lambda s: (
        100 * (1 - s.loads / s.objects) if s.objects and s.loads is not None else math.nan
    ),
    "memory MB": lambda s: sum(s.pss.values()) / 1e6 if s.pss else math.nan,
    "cores of others": lambda s: s.others,
    "errors": lambda s: float(s.measured.failed),
}


@dataclass(frozen=True)
class Outcome:
    """An experiment and its samples."""

    experiment: Experiment
    samples: list[Sample]

    def series(self, layout: str, figure: str) -> list[float]:
        """A figure of one layout, round by round."""
        return [s.figure(figure) for s in self.samples if s.layout == layout]

    def median(self, layout: str, figure: str) -> float:
        """The median of a figure over the rounds."""
        return ratios.median(self.series(layout, figure))

    def ratio(self, this: str, that: str, figure: str) -> ratios.Ratio:
        """A figure of one layout over that of another, by rounds both were measured in."""
        both = {s.round for s in self.samples if s.layout == this} & {
            s.round for s in self.samples if s.layout == that
        }
        these, those = (
            [s.figure(figure) for s in self.samples if s.layout == name and s.round in both]
            for name in (this, that)
        )
        return ratios.ratio(these, those)


@dataclass(frozen=True)
class Moment:
    """A point of the series in which the layout changes under load.

    :param seconds: since the series began.
    :param rescheduling: interrupts a second; None where the machine does not count them.
    :param switches: context switches a second of Zope.
    :param cpu: cores used by Zope.
    """

    seconds: float
    layout: str
    rescheduling: float | None
    switches: float
    cpu: float


@dataclass
class Run:
    """A whole run.

    :param layouts: what each layout's name stands for.
    :param notes: what the reader should know, such as a peer that is missing.
    :param memory: bytes by number of instances and role, for instances of one thread.
    :param rates: requests/s of each layout of the series.
    """

    command: str
    started: str
    machine: dict[str, str]
    layouts: dict[str, str] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)
    memory: dict[int, dict[str, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def others(self) -> float:
        """Cores that others took, the median over all samples."""
        return ratios.median([s.others for x in self.outcomes for s in x.samples])

    def find(self, workload: str, load: Closed | Open, *layouts: str) -> Outcome | None:
        """The outcome of an experiment with these layouts, if it was made."""
        for outcome in self.outcomes:
            made = outcome.experiment
            if (made.workload, made.load) == (workload, load) and {*layouts} <= {*made.layouts}:
                return outcome
        return None


def dumps(run: Run) -> str:
    """The run as JSON text."""
    return _converter.dumps(run, indent=1) + "\n"


def load(path: Path) -> Run:
    """The run that :func:`dumps` wrote to ``path``."""
    return _converter.loads(path.read_text(encoding="utf-8"), Run)
