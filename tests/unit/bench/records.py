"""A run of the benchmark as samples.json keeps it, made up for tests of the report."""

from __future__ import annotations

from zopestack_bench import rounds
from zopestack_bench.proc import Usage
from zopestack_bench.record import (
    PERCENTILES,
    Closed,
    Experiment,
    Measured,
    Open,
    Outcome,
    Run,
    Sample,
    Weighed,
)


def sample(layout: str, number: int, rate: float, errors: dict[str, int] | None = None) -> Sample:
    latency = {p: (1 + p / 100) / rate for p in PERCENTILES}
    measured = Measured(10, int(rate * 10), 0, errors or {}, latency)
    used = {"zope": Usage(5, 900, 60), "balancer": Usage(0.5, 100, 40), "zeo": Usage(0.1)}
    figures = rounds.figures(measured, used, 500)
    figures |= {"GIL wait ms": 2.0, "memory MB": 230.0}
    figures |= {"cores of others": 0.0, "errors": measured.failed}
    return Sample(layout, number, measured, figures)


def outcome(workload: str, load: Closed | Open, rates: dict[str, float]) -> Outcome:
    names = tuple(rates)
    return Outcome(
        Experiment(workload, load, names, 10),
        [sample(name, number, rates[name] * number) for number in (1, 2, 3) for name in names],
    )


def run() -> Run:
    """A run with a figure for everything, and a name that would break careless HTML."""
    rates = {"1x4 direct": 30.0, "2x2": 60.0, "2x1": 66.0, "<b>&": 50.0}
    return Run(
        command="scripts/bench --quick --url '/<script>'",
        started="2026-11-23T22:05:52+00:00",
        machine={"processor": "P", "cores": "2", "memory": "24 GB", "kernel": "Linux 6"},
        layouts=dict.fromkeys(rates, "a layout"),
        outcomes=[
            outcome("cpu", Closed(8), rates),
            outcome("light", Closed(8), rates),
            outcome("cpu", Closed(1), {**rates, "1x1 direct": 40.0}),
            outcome("cpu", Open(20), rates),
        ],
        memory=[
            Weighed(1, False, 100.0),
            Weighed(1, True, 110.0),
            Weighed(4, True, 200.0),
            Weighed(4, False, 320.0),
            # A run that was stopped here.
            Weighed(8, False, 640.0),
        ],
        notes=["varnish is left out: apt-get install varnish"],
    )
