"""What the project promises of its layouts on 2 cores, and what else is worth knowing of them:
comparisons that each run is held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from zopestack_bench import fronts
from zopestack_bench.ratios import NOT_MEASURED, Ratio
from zopestack_bench.record import STOLEN, Closed, Open, Run

#: The load of most promises.
LOAD = Closed(8)

#: Figures that change when the host runs another machine. CPU a request does not.
TIMED = ("requests/s", "p50 ms", "p95 ms", "p99 ms")


@dataclass(frozen=True)
class Claim:
    """A figure of one layout over that of another under one load, and what came out.

    :param least, most: the bounds that are promised; neither where nothing is.
    :param under: the load of the other layout, where that is another one.
    :param robbed: samples of both that lost too much time to other machines.
    """

    workload: str
    load: Closed | Open
    figure: str
    this: str
    that: str
    least: float | None = None
    most: float | None = None
    under: Closed | None = None
    ratio: Ratio = NOT_MEASURED
    robbed: int = 0

    @property
    def title(self) -> str:
        """What it is, in words."""
        other = f"{self.that} with {self.under}" if self.under else self.that
        return f"{self.workload} page, {self.load}: {self.figure} of {self.this} over {other}"

    @property
    def expected(self) -> str:
        """The promise in words."""
        if self.least is not None:
            return f"at least {self.least:g}"
        return "" if self.most is None else f"at most {self.most:g}"

    @property
    def measured(self) -> str:
        """The ratio in words, with a mark where stolen time makes it doubtful."""
        if self.figure not in TIMED or not self.robbed:
            return self.ratio.verdict
        samples = "sample" if self.robbed == 1 else "samples"
        return f"{self.ratio.verdict} [more than {STOLEN:g}% stolen in {self.robbed} {samples}]"

    @property
    def met(self) -> bool:
        """Whether the median keeps to the promise. Not where nothing is promised or measured."""
        if self.least is not None:
            return self.ratio.median >= self.least
        return self.most is not None and self.ratio.median <= self.most

    @property
    def verdict(self) -> str:
        """The same in words."""
        return ("kept" if self.met else "not kept") if self.expected else ""


PROMISES = (
    Claim("cpu", LOAD, "requests/s", "2x1", "1x4 direct", least=2.1),
    Claim("cpu", LOAD, "p99 ms", "2x1", "1x4 direct", most=0.5),
    Claim("cpu", LOAD, "requests/s", "2x2", "1x4 direct", least=1.8),
    Claim("light", LOAD, "requests/s", "2x1", "1x4 direct", least=1.9),
    Claim("light", LOAD, "requests/s", "2x1", "stock HAProxy", least=1.7),
    Claim("light", LOAD, "requests/s", "2x1", "gunicorn", least=0.95),
    Claim("mixed", LOAD, "requests/s", "2x1", "1x4 direct", least=2.0),
    Claim("light", LOAD, "CPU ms", "2x1", "gunicorn", most=0.85),
    Claim("light", LOAD, "CPU ms", "2x1", "uwsgi", most=1.3),
    Claim("light", fronts.LIGHT, "front end CPU ms", fronts.GENERATED, fronts.BARE, most=1.3),
    Claim("cpu", LOAD, "CPU ms", "2x1", "1x1 direct", most=1.05, under=Closed(1)),
    *(
        Claim("cpu", fronts.ARRIVALS, "p99 ms", crowd, fronts.UNDISTURBED, most=most)
        for crowd, most in ((fronts.SLOW_READERS, 1.5), (fronts.SLOW_SENDERS, 2))
    ),
)

#: What is not promised, but decides what is worth having.
FINDINGS = (
    Claim("cpu", fronts.BRIEFLY, "requests/s", fronts.NO_SLOTS_READERS, fronts.UNDISTURBED),
    *(
        Claim("light", fronts.LIGHT, "front end CPU ms", fronts.GENERATED, less)
        for less in (fronts.NO_SLOTS, fronts.NO_LOG, fronts.NO_RULES)
    ),
    Claim("light", fronts.LIGHT, "front end CPU ms", fronts.COUNTED, fronts.GENERATED),
    Claim("light", fronts.LIGHT, "CPU ms", fronts.GENERATED, fronts.BARE),
    Claim("light", fronts.LIGHT, "requests/s", fronts.GENERATED, fronts.BARE),
    *(
        Claim(site, load, figure, f"affinity {kind}", "affinity none")
        for site, load in fronts.READ
        for figure in ("cache hits %", "requests/s")
        for kind in fronts.AFFINITIES[1:]
    ),
)


def claims(run: Run) -> list[Claim]:
    """Every promise that this run can tell about."""
    return list(_compared(run, PROMISES))


def findings(run: Run) -> list[Claim]:
    """What this run can tell of the rest."""
    return list(_compared(run, FINDINGS))


def _compared(run: Run, wanted: tuple[Claim, ...]) -> Iterator[Claim]:
    for x in wanted:
        this = run.find(x.workload, x.load, x.this, *(() if x.under else (x.that,)))
        that = run.find(x.workload, x.under, x.that) if x.under else this
        if this and that:
            ratio = this.ratio(x.this, x.that, x.figure, that)
            yield replace(x, ratio=ratio, robbed=this.robbed(x.this) + that.robbed(x.that))
