"""What is asked for and what is measured, as samples.json keeps it for plots and report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cattrs.preconf.json import make_converter

from zopestack_bench import ratios

#: The percentiles that are kept; 100 is the slowest request.
PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)

#: Percent of all cores' time that other machines of the host may take before requests/s and
#: latency of a sample are marked. CPU a request is not: stolen time is nobody's CPU.
STOLEN = 5.0

#: Cores that other processes may use in a measurement that counts.
DISTURBED = 0.25

_converter = make_converter()


@dataclass(frozen=True)
class Closed:
    """So many clients; each sends its next request as soon as it has a response."""

    clients: int

    def __str__(self) -> str:
        return f"{self.clients} client{'s' if self.clients > 1 else ''}"


@dataclass(frozen=True)
class Open:
    """Requests start at a fixed rate, whether or not earlier ones have a response.

    :param rate: requests a second.
    """

    rate: float

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


@dataclass(frozen=True)
class Experiment:
    """Layouts that are compared under one load, round by round.

    :param seconds: of load for each layout in each round.
    """

    workload: str
    load: Closed | Open
    layouts: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Sample:
    """One layout under load once.

    :param figures: by the name under which they are shown; None where one was not measured.
    """

    layout: str
    round: int
    measured: Measured
    figures: Mapping[str, float | None]

    def figure(self, name: str) -> float:
        """A figure; NaN where it was not measured."""
        found = self.figures.get(name)
        return math.nan if found is None else found


@dataclass(frozen=True)
class Outcome:
    """An experiment and its samples."""

    experiment: Experiment
    samples: list[Sample]

    @property
    def rounds(self) -> int:
        """How many there were."""
        return max((sample.round for sample in self.samples), default=0)

    def series(self, layout: str, figure: str) -> list[float]:
        """A figure of one layout, round by round."""
        return [s.figure(figure) for s in self.samples if s.layout == layout]

    def median(self, layout: str, figure: str) -> float:
        """The median of a figure over the rounds."""
        return ratios.median(self.series(layout, figure))

    def ratio(
        self, this: str, that: str, figure: str, other: Outcome | None = None
    ) -> ratios.Ratio:
        """A figure of one layout over that of another, by rounds in which both were measured.

        :param other: the experiment in which ``that`` was measured, where it is another one.
        """
        these, those = (
            {s.round: s.figure(figure) for s in samples if s.layout == name}
            for samples, name in ((self.samples, this), ((other or self).samples, that))
        )
        both = [number for number in these if number in those]
        return ratios.ratio([these[n] for n in both], [those[n] for n in both])


@dataclass(frozen=True)
class Weighed:
    """What so many instances take.

    :param shared: whether they share memory.
    :param megabytes: PSS of the whole stack but HAProxy.
    """

    instances: int
    shared: bool
    megabytes: float

    def __str__(self) -> str:
        return f"{self.megabytes:.0f} MB"


@dataclass
class Run:
    """A whole run.

    :param layouts: what each layout's name stands for.
    :param notes: what the reader should know, such as a peer that is missing.
    """

    command: str
    started: str
    machine: dict[str, str]
    layouts: dict[str, str] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    memory: list[Weighed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def others(self) -> float:
        """Cores that others used, the median over all samples."""
        return ratios.median(
            [s.figure("cores of others") for x in self.outcomes for s in x.samples]
        )

    @property
    def weighed(self) -> dict[int, tuple[float, float]]:
        """Megabytes by number of instances: of those that are alone, and of those that share."""
        found = {(each.instances, each.shared): each.megabytes for each in self.memory}
        numbers = sorted({number for number, _ in found})
        return {
            number: (found[number, False], found[number, True])
            for number in numbers
            if {(number, False), (number, True)} <= {*found}
        }

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
