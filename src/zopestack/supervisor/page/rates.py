"""What happened between two looks at the stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from zopestack.supervisor.page.look import Seen
from zopestack.supervisor.page.told import Told

#: The shares of requests whose time is told: half of them, and all but the slowest twentieth.
HALF, MOST = 0.5, 0.95


@dataclass(frozen=True)
class Rates:
    """None stands for what nobody knows.

    :param requests: a second.
    :param errors: of these, those with a status of 500 or above.
    """

    requests: float | None = None
    errors: float | None = None


def of_instance(name: str, then: Seen, now: Seen) -> Rates:
    """The rates of one instance, by its agent."""
    before, after = then.told.get(name), now.told.get(name)
    seconds = now.at - then.at
    if before is None or after is None or seconds <= 0:
        return Rates()
    same = before.pid == after.pid
    return Rates(
        _grown(before.requests, after.requests, same) / seconds,
        _grown(before.failed, after.failed, same) / seconds,
    )


def of_stack(then: Seen, now: Seen) -> Rates:
    """The rates of all lanes, by HAProxy: also of what no instance has answered. By the agents,
    where Varnish gives requests to instances, too.
    """
    if now.stack.varnish.gives:
        every = [of_instance(each.name, then, now) for each in now.stack.balanced_here]
        return _together([each for each in every if each.requests is not None])
    seconds = now.at - then.at
    if then.backends is None or now.backends is None or seconds <= 0:
        return Rates()
    requests, errors = (
        sum(
            _grown(_count(then.backends.get(name, {}), column), _count(row, column))
            for name, row in now.backends.items()
        )
        for column in ("req_tot", "hrsp_5xx")
    )
    return Rates(requests / seconds, errors / seconds)


def _together(rates: Sequence[Rates]) -> Rates:
    if not rates:
        return Rates()
    return Rates(sum(each.requests or 0 for each in rates), sum(each.errors or 0 for each in rates))


def time_of(share: float, then: Seen, now: Seen) -> float | None:
    """Seconds that a thread worked at most on this share of the requests; None if there was none.

    It is estimated from the counts by upper bounds, as Prometheus does (its manual,
    ``histogram_quantile``).
    """
    grown: dict[float, int] = {}
    for name, after in now.told.items():
        for bound, number in _answered(then.told.get(name), after):
            grown[bound] = grown.get(bound, 0) + number
    bounds = sorted(grown)
    total = grown[bounds[-1]] if bounds else 0
    if not total:
        return None
    lower, below = 0.0, 0
    for bound in bounds[:-1]:
        if grown[bound] >= share * total:
            return lower + (bound - lower) * (share * total - below) / (grown[bound] - below)
        lower, below = bound, grown[bound]
    # Longer than the last bound; nobody knows how long.
    return lower


def _answered(before: Told | None, after: Told) -> Iterator[tuple[float, int]]:
    """How many requests an instance has answered, by upper bounds of their seconds."""
    if before is None:
        return
    same = before.pid == after.pid
    for bound, number in after.seconds.items():
        yield float(bound), _grown(before.seconds.get(bound, 0), number, same)


def _grown(before: int, after: int, same: bool = True) -> int:
    """How much a counter has grown. One that is lower than before has begun anew.

    :param same: whether it is of the same process.
    """
    return after - before if same and after >= before else after


def _count(row: Mapping[str, str], column: str) -> int:
    return int(row.get(column) or 0)
