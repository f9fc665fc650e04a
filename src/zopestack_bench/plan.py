"""What a run measures, and how long that takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from zopestack_bench.layouts import Layout
from zopestack_bench.record import Closed, Experiment, Open
from zopestack_bench.workloads import Workload

#: Seconds around a measurement: start of a balancer, warm-up, requests in flight, stop.
OVERHEAD = 0.9

#: Seconds to start what is started once, and to stop everything and write the report.
START, END = 5, 20

#: Arrival rates of the open loop, as shares of what one 1x4 serves in a closed loop: easy for
#: all, near its limit, and past it.
ARRIVALS = (0.5, 0.9, 1.4)


@dataclass(frozen=True)
class Plan:
    """How thorough a run is.

    :param rounds: of the two comparisons with every layout.
    :param few_rounds: of the other comparisons.
    :param seconds: of load in each measurement.
    :param clients: of the closed loops with a few layouts.
    :param phase: seconds of load on each layout in the time series.
    :param limit: seconds after which no experiment is begun; what is left out is said.
    """

    rounds: int
    few_rounds: int
    seconds: int
    clients: tuple[int, ...]
    phase: float
    limit: float = math.inf

    def closed(self, layouts: Mapping[str, Layout], workload: Workload | None) -> list[Experiment]:
        """The closed-loop experiments, the most telling first.

        :param workload: one of the user's own in place of the built-in ones.
        """
        everyone, own = tuple(layouts), main_layouts(layouts)

        def every(name: str) -> Experiment:
            return Experiment(name, Closed(8), everyone, self.rounds, self.seconds)

        def few(name: str, clients: int, names: tuple[str, ...] = own) -> Experiment:
            return Experiment(name, Closed(clients), names, self.few_rounds, self.seconds)

        if workload:
            return [every(workload.name)] + [few(workload.name, n) for n in self.clients if n != 8]
        alone = tuple(name for name in ("1x1 direct",) if name in layouts)
        more = own + tuple(name for name in ("gunicorn",) if name in layouts)
        return [
            every("cpu"),
            every("light"),
            few("cpu", 1, alone + own),
            *(few(name, 8, more) for name in ("wait", "mixed", "write")),
            *(few("cpu", n) for n in self.clients if n not in (1, 8)),
        ]

    def open(self, layouts: Mapping[str, Layout], workload: str, base: float) -> list[Experiment]:
        """The open-loop experiments.

        :param base: requests/s that one instance with 4 threads serves.
        """
        own = main_layouts(layouts)
        return [
            Experiment(workload, Open(round(share * base, 1)), own, 1, self.seconds)
            for share in ARRIVALS
            if base > 0
        ]

    def total(self, layouts: Mapping[str, Layout], workload: Workload | None) -> float:
        """Seconds of everything that is measured."""
        # There are as many open loops whatever the rate.
        experiments = self.closed(layouts, workload) + self.open(layouts, "", 1)
        starts = START * sum(layout.lasting for layout in layouts.values())
        return starts + duration(experiments) + self.series(layouts) + END

    def series(self, layouts: Mapping[str, Layout]) -> float:
        """Seconds of the time series, which is always made."""
        return len(main_layouts(layouts)) * (self.phase + OVERHEAD)


#: Within 5 minutes on 2 cores.
QUICK = Plan(rounds=3, few_rounds=1, seconds=1, clients=(1, 2, 8, 32), phase=6, limit=300)

#: Rounds enough for a spread that says something.
FULL = Plan(rounds=9, few_rounds=5, seconds=4, clients=(1, 2, 4, 8, 16, 32), phase=20)


def main_layouts(layouts: Mapping[str, Layout]) -> tuple[str, ...]:
    """The layouts of the claim the project starts from, as far as they are measured."""
    found = tuple(name for name in ("1x4 direct", "2x2", "2x1") if name in layouts)
    return found or tuple(layouts)


def duration(experiments: list[Experiment]) -> float:
    """Seconds that experiments take, about."""
    return sum(len(x.layouts) * x.rounds * (x.seconds + OVERHEAD) for x in experiments)


def fits(experiment: Experiment, seconds: float) -> bool:
    """Whether an experiment, and the end of a run, are over within so many seconds."""
    return duration([experiment]) + END <= seconds
