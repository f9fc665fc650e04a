"""What a run measures, and how long that takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from zopestack_bench.layouts import Layout
from zopestack_bench.measured import Closed, Open
from zopestack_bench.record import Experiment
from zopestack_bench.workloads import Workload

#: Seconds around a measurement: start of a balancer, warm-up, what is left over, stop.
OVERHEAD = 0.9

#: Seconds for what is started once, and for stopping everything and writing the report.
START, END = 5, 20

#: Arrival rates of the open loop, as shares of what one 1x4 serves in a closed loop: easy
#: for all, near its limit, and past it.
ARRIVALS = (0.5, 0.9, 1.4)


@dataclass(frozen=True)
class Plan:
    """How thorough a run is.

    :param rounds: of the two comparisons with every layout.
    :param seconds: of load in each measurement.
    :param clients: of the closed loops with a few layouts.
    :param phase: seconds each layout is under load in the time series.
    :param limit: seconds after which nothing more is begun; what is left out is said. A
        machine that is busy with other things takes longer for all that is not measured.
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
        everyone = tuple(layouts)
        own = main_layouts(layouts)
        few = own + tuple(name for name in ("gunicorn",) if name in layouts)
        if workload:
            found = [self._every(workload.name, everyone)]
            return found + [self._few(workload.name, n, own) for n in self.clients if n != 8]
        alone = ("1x1 direct",) if "1x1 direct" in layouts else ()
        found = [self._every("cpu", everyone), self._every("light", everyone)]
        found.append(self._few("cpu", 1, (*alone, *own)))
        found += [self._few(name, 8, few) for name in ("wait", "mixed", "write")]
        found += [self._few("cpu", n, own) for n in self.clients if n not in (1, 8)]
        return found

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
        # Whatever the rate, there are as many of these.
        arrivals = self.open(layouts, "", 1)
        starts = START * sum(layout.lasting for layout in layouts.values())
        measured = duration(self.closed(layouts, workload) + arrivals)
        return starts + measured + self.series(layouts) + END

    def series(self, layouts: Mapping[str, Layout]) -> float:
        """Seconds of the time series, which is always made."""
        return len(main_layouts(layouts)) * (self.phase + OVERHEAD)

    def _every(self, workload: str, names: tuple[str, ...]) -> Experiment:
        return Experiment(workload, Closed(8), names, self.rounds, self.seconds)

    def _few(self, workload: str, clients: int, names: tuple[str, ...]) -> Experiment:
        return Experiment(workload, Closed(clients), names, self.few_rounds, self.seconds)


#: Within 5 minutes on 2 cores.
QUICK = Plan(rounds=3, few_rounds=1, seconds=1, clients=(1, 2, 8, 32), phase=6, limit=300)

#: Enough rounds for a spread that says something.
FULL = Plan(rounds=9, few_rounds=5, seconds=4, clients=(1, 2, 4, 8, 16, 32), phase=20)


def main_layouts(layouts: Mapping[str, Layout]) -> tuple[str, ...]:
    """The layouts of the claim the project starts from, as far as they are measured."""
    found = tuple(name for name in ("1x4 direct", "2x2", "2x1") if name in layouts)
    return found or tuple(layouts)


def duration(experiments: list[Experiment]) -> float:
    """Seconds that experiments take, about."""
    return sum(len(x.layouts) * x.rounds * (x.seconds + OVERHEAD) for x in experiments)


def fits(experiment: Experiment, seconds: float) -> bool:
    """Whether an experiment, and what ends a run, are over within so many seconds."""
    return duration([experiment]) + END <= seconds
