"""What the project claims of its layouts on 2 cores, to be compared with each run."""

from __future__ import annotations

from dataclasses import dataclass

from zopestack.bench.measured import Closed
from zopestack.bench.ratios import Ratio, ratio
from zopestack.bench.record import Run

#: The load of the claims.
LOAD = Closed(8)


@dataclass(frozen=True)
class Claim:
    """A ratio that is expected, and what came out.

    :param at_least: whether the bound is a lower one.
    """

    title: str
    bound: float
    at_least: bool
    ratio: Ratio

    @property
    def expected(self) -> str:
        """The bound in words."""
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}"

    @property
    def met(self) -> bool:
        """Whether the median keeps to the bound."""
        if self.at_least:
            return self.ratio.median >= self.bound
        return self.ratio.median <= self.bound


#: Workload, layout, layout it is compared with, figure, bound, whether at least.
CLAIMS = (
    ("cpu", "2x1", "1x4 direct", "requests/s", 2.1, True),
    ("cpu", "2x1", "1x4 direct", "p99 ms", 0.5, False),
    ("cpu", "2x2", "1x4 direct", "requests/s", 1.8, True),
    ("light", "2x1", "1x4 direct", "requests/s", 1.9, True),
    ("light", "2x1", "stock HAProxy", "requests/s", 1.7, True),
    ("light", "2x1", "gunicorn", "requests/s", 0.95, True),
)

#: CPU per request of the whole 2x1 under load over that of one instance with one client.
COST = 1.10


def claims(run: Run) -> list[Claim]:
    """Every claim this run can tell about."""
    found = []
    for workload, this, that, figure, bound, at_least in CLAIMS:
        outcome = run.find(workload, LOAD)
        if outcome and {this, that} <= set(outcome.experiment.layouts):
            title = f"{workload} page, 8 clients: {figure} of {this} over {that}"
            found.append(Claim(title, bound, at_least, outcome.ratio(this, that, figure)))
    return found + _cost(run)


def _cost(run: Run) -> list[Claim]:
    loaded, alone = run.find("cpu", LOAD), run.find("cpu", Closed(1))
    if not loaded or not alone or "1x1 direct" not in alone.experiment.layouts:
        return []
    these = loaded.series("2x1", "CPU ms")
    those = alone.series("1x1 direct", "CPU ms")
    rounds = min(len(these), len(those))
    title = "cpu page: CPU per request of 2x1 with 8 clients over 1x1 direct with 1"
    return [Claim(title, COST, False, ratio(these[:rounds], those[:rounds]))] if rounds else []
