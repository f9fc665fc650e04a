"""Every sample of a run, as samples.json keeps it for plots and report."""

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

    :param cpu: seconds by role: ``zope``, ``balancer``, ``zeo``, and ``log`` where other
        processes write the balancer's log.
    :param voluntary: context switches of threads that waited, all roles.
    :param involuntary: context switches of threads that were preempted, all roles.
    :param rescheduling: interrupts of the whole machine; None where it does not count them.
    :param pss: bytes of memory by role.
    :param queue: mean seconds that a request waited in HAProxy, as HAProxy says.
    :param gil: seconds of waiting for the GIL a request, of the page that measures it.
    :param others: cores used by processes that are no part of the benchmark.
    :param objects: persistent objects that a request asked for, of the page that counts them.
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
        found = FIGURES[name](self)
        return math.nan if found is None else found

    def each(self, amount: float | None, scale: float = 1) -> float | None:
        """An amount divided by all requests that had a response, good or not."""
        errors = self.measured.errors.items()
        answered = self.measured.requests + sum(n for why, n in errors if why.startswith("status"))
        return scale * amount / answered if answered and amount is not None else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def _cpu(*roles: str) -> Callable[[Sample], float | None]:
    """CPU milliseconds a request of these roles, where the layout has the first."""

    def figure(sample: Sample) -> float | None:
        cpu = sample.cpu
        return sample.each(sum(cpu.get(x, 0) for x in roles), 1000) if roles[0] in cpu else None

    return figure


#: What is shown of a sample, by its name there; None where it was not measured.
FIGURES: Mapping[str, Callable[[Sample], float | None]] = {
    "requests/s": lambda s: s.measured.rate,
    "p50 ms": lambda s: _ms(s.measured.percentile(50)),
    "p95 ms": lambda s: _ms(s.measured.percentile(95)),
    "p99 ms": lambda s: _ms(s.measured.percentile(99)),
    "Zope CPU ms": _cpu("zope"),
    "balancer CPU ms": _cpu("balancer"),
    "ZEO CPU ms": _cpu("zeo"),
    "log CPU ms": _cpu("log"),
    "front end CPU ms": _cpu("balancer", "log"),
    "CPU ms": lambda s: s.each(sum(s.cpu.values()), 1000) if s.cpu else None,
    "context switches": lambda s: s.each(s.voluntary + s.involuntary),
    "voluntary switches": lambda s: s.each(s.voluntary),
    "involuntary switches": lambda s: s.each(s.involuntary),
    "rescheduling interrupts": lambda s: s.each(s.rescheduling),
    "GIL wait ms": lambda s: _ms(s.gil),
    "queue ms": lambda s: _ms(s.queue),
    "objects": lambda s: s.objects,
    "loads": lambda s: s.loads,
    "cache hits %": lambda s: (
        100 * (1 - s.loads / s.objects) if s.objects and s.loads is not None else None
    ),
    "memory MB": lambda s: sum(s.pss.values()) / 1e6 if s.pss else None,
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
        """A figure of one layout over that of another, by rounds in which both were measured."""
        these, those = (
            {s.round: s.figure(figure) for s in self.samples if s.layout == name}
            for name in (this, that)
        )
        both = [number for number in these if number in those]
        return ratios.ratio([these[n] for n in both], [those[n] for n in both])


@dataclass(frozen=True)
class Moment:
    """A point of the series in which the layout changes under load.

    :param seconds: since the series began.
    :param rescheduling: interrupts a second; None where the machine does not count them.
    :param switches: context switches a second of Zope.
    """

    seconds: float
    layout: str
    rescheduling: float | None
    switches: float


@dataclass(frozen=True)
class Phase:
    """A layout's part of that series.

    :param rate: requests a second.
    :param gil: seconds of waiting for the GIL a request, of the page that measures it.
    """

    rate: float
    gil: float | None = None


@dataclass
class Run:
    """A whole run.

    :param layouts: what each layout's name stands for.
    :param notes: what the reader should know, such as a peer that is missing.
    :param memory: bytes by number of instances and role, for instances of one thread.
    :param phases: of the series, by layout.
    """

    command: str
    started: str
    machine: dict[str, str]
    layouts: dict[str, str] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    phases: dict[str, Phase] = field(default_factory=dict)
    memory: dict[int, dict[str, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def others(self) -> float:
        """Cores that others used, the median over all samples."""
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
