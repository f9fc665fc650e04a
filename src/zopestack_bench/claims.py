"""What the project promises of its layouts on 2 cores, and what else is worth knowing of them:
comparisons that each run is held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from zopestack_bench import Broken, fronts
from zopestack_bench.layouts import WAITRESS, Layout, layouts
from zopestack_bench.ratios import NOT_MEASURED, Ratio, shown
from zopestack_bench.record import STOLEN, Closed, Open, Outcome, Run

#: The load of most promises.
LOAD = Closed(8)

#: What is compared on 2 cores, by name.
ON_TWO = layouts(2)

#: What [stack] makes of the defaults there, and what it is compared with most.
DEFAULT, ONE, SINGLE = ON_TWO["2x1"], ON_TWO["1x4 direct"], ON_TWO["1x1 direct"]

#: What stands beside a ratio of CPU.
BESIDE = ("requests/s", "p99 ms")


@dataclass(frozen=True)
class Claim:
    """A figure of one layout over that of another under one load, and what came out.

    :param name: of a promise, for ``scripts/bench --claim``; findings have none.
    :param least, most: the bounds that are promised; neither where nothing is.
    :param under: the load of the other layout, where that is another one.
    :param beside: ratios of figures that depend on who else uses the machine, where the claim is
        about CPU.
    :param stolen: rounds in which more than :data:`STOLEN` percent of the machine was stolen.
    """

    name: str
    workload: str
    load: Closed | Open
    figure: str
    this: Layout
    that: Layout
    least: float | None = None
    most: float | None = None
    under: Closed | None = None
    ratio: Ratio = NOT_MEASURED
    beside: Mapping[str, Ratio] = field(default_factory=dict)
    stolen: int = 0

    @property
    def title(self) -> str:
        """What it is, in words."""
        other = self.that.name + (f" with {self.under}" if self.under else "")
        return f"{self.workload} page, {self.load}: {self.figure} of {self.this.name} over {other}"

    @property
    def expected(self) -> str:
        """The promise in words."""
        if self.least is not None:
            return f"at least {self.least:g}"
        return "" if self.most is None else f"at most {self.most:g}"

    @property
    def met(self) -> bool:
        """Whether the median keeps to the promise. Not where nothing is promised or measured."""
        if self.least is not None:
            return self.ratio.median >= self.least
        return self.most is not None and self.ratio.median <= self.most

    @property
    def context(self) -> str:
        """What stands beside the ratio, and whether stolen time makes that doubtful."""
        found = [f"{figure} {shown(each.median)}" for figure, each in self.beside.items()]
        if self.stolen and (self.beside or "CPU" not in self.figure):
            found.append(f"stolen time above {STOLEN:g}% in {self.stolen} rounds")
        return ", ".join(found)

    @property
    def verdict(self) -> str:
        """The same in words."""
        return ("kept" if self.met else "not kept") if self.expected else ""


#: By the name that ``scripts/bench --claim`` takes. CPU a request is what a busy machine changes
#: least, so it is promised where it says enough.
PROMISES = (
    Claim("gunicorn", "light", LOAD, "CPU ms", DEFAULT, ON_TWO["gunicorn"], most=0.85),
    Claim("uwsgi", "light", LOAD, "CPU ms", DEFAULT, ON_TWO["uwsgi"], most=1.3),
    Claim("haproxy", "light", LOAD, "balancer CPU ms", fronts.GENERATED, fronts.BARE, most=1.3),
    Claim("inline", "light", LOAD, "Zope CPU ms", SINGLE, WAITRESS, most=0.70),
    Claim("idle", "cpu", LOAD, "CPU ms", DEFAULT, SINGLE, most=1.05, under=Closed(1)),
    Claim("rate", "cpu", LOAD, "requests/s", DEFAULT, ONE, least=2.1),
    Claim("latency", "cpu", LOAD, "p99 ms", DEFAULT, ONE, most=0.5),
    Claim("two-threads", "cpu", LOAD, "requests/s", ON_TWO["2x2"], ONE, least=1.8),
    Claim("light", "light", LOAD, "requests/s", DEFAULT, ONE, least=1.9),
    Claim("stock", "light", LOAD, "requests/s", DEFAULT, ON_TWO["stock HAProxy"], least=1.7),
    Claim("mixed", "mixed", LOAD, "requests/s", DEFAULT, ONE, least=2.0),
    *(
        Claim(name, "cpu", fronts.ARRIVALS, "p99 ms", crowd, fronts.UNDISTURBED, most=most)
        for name, crowd, most in (
            ("slow", fronts.SLOW_BOTH, 1.1),
            ("readers", fronts.SLOW_READERS, 1.5),
            ("senders", fronts.SLOW_SENDERS, 2),
        )
    ),
)

#: What is not promised, but decides what is worth having.
FINDINGS = (
    Claim("", "cpu", fronts.BRIEFLY, "requests/s", fronts.NO_SLOTS_READERS, fronts.UNDISTURBED),
    *(
        Claim("", "light", LOAD, "front end CPU ms", fronts.GENERATED, less)
        for less in (fronts.BARE, fronts.NO_SLOTS, fronts.NO_LOG, fronts.NO_RULES)
    ),
    Claim("", "light", LOAD, "front end CPU ms", fronts.COUNTED, fronts.GENERATED),
    Claim("", "light", LOAD, "CPU ms", fronts.GENERATED, fronts.BARE),
    Claim("", "light", LOAD, "requests/s", fronts.GENERATED, fronts.BARE),
    *(
        Claim("", site, load, figure, layout, fronts.AFFINITIES["none"])
        for site, load in fronts.READ
        for figure in ("cache hits %", "requests/s")
        for kind, layout in fronts.AFFINITIES.items()
        if kind != "none"
    ),
)

#: What ``scripts/bench --frontend`` measures.
FRONTEND = (*(each for each in PROMISES if each.that == fronts.UNDISTURBED), *FINDINGS)


def named(words: str) -> tuple[Claim, ...]:
    """The promises of these names, separated by commas; all of them for ``all``.

    :raises Broken: where there is none of a name.
    """
    known = {claim.name: claim for claim in PROMISES}
    names = list(known) if words == "all" else [word.strip() for word in words.split(",")]
    for name in names:
        if name not in known:
            there = ", ".join(("all", *known))
            raise Broken(f"--claim {name}: there is no such promise; known are {there}")
    return tuple(known[name] for name in dict.fromkeys(names))


def compared(run: Run, wanted: Iterable[Claim]) -> list[Claim]:
    """Those of the claims that this run can tell about, with what came out."""
    found = []
    for x in wanted:
        names = x.this.name, x.that.name
        this = run.find(x.workload, x.load, *names[: 1 if x.under else 2])
        that = run.find(x.workload, x.under, names[1]) if x.under else this
        if this and that:
            # With another load, rate and latency are others for that reason alone.
            beside = BESIDE if "CPU" in x.figure and not x.under else ()
            stolen = _stolen(this, names[0]) | _stolen(that, names[1])
            found.append(
                replace(
                    x,
                    ratio=this.ratio(*names, x.figure, that),
                    beside={figure: this.ratio(*names, figure) for figure in beside},
                    stolen=len(stolen),
                )
            )
    return found


def _stolen(outcome: Outcome, layout: str) -> set[int]:
    """The rounds in which other machines of the host took too much from this layout."""
    return {
        s.round for s in outcome.samples if s.layout == layout and s.figure("stolen %") > STOLEN
    }
