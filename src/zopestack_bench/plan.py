"""What is measured, round by round, until that says enough or the time is over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from zopestack_bench import Broken
from zopestack_bench.claims import Claim, compared
from zopestack_bench.ratios import WIDTH
from zopestack_bench.record import Closed, Experiment, Open, Outcome, Run
from zopestack_bench.rounds import Track
from zopestack_bench.workloads import LIBRARY, Workload

#: Seconds of load in a measurement; in a quick run and of pages that count what they do, one
#: second has to do.
SECONDS, FEW_SECONDS = 4.0, 1.0

#: Seconds around a measurement: start of a balancer, warm-up, requests in flight, stop.
OVERHEAD = 0.9

#: Seconds to stop everything and write the report.
END = 20

#: Clients of the closed loops with a few layouts, beside those with 8.
CLIENTS = (1, 2, 32)


def everything(
    layouts: Collection[str], own: Workload | None = None, seconds: float = SECONDS
) -> list[Experiment]:
    """One round of all pages with all layouts, the most telling first.

    :param own: a page of the user's in place of the built-in ones.
    """
    few = main_layouts(layouts)
    more = few + tuple(name for name in ("gunicorn",) if name in layouts)
    alone = few + tuple(name for name in ("1x1 direct",) if name in layouts and name not in few)

    def each(page: str, clients: int, names: Collection[str]) -> Experiment:
        return Experiment(page, Closed(clients), tuple(names), seconds)

    page = own.name if own else "cpu"
    return [
        each(page, 8, layouts),
        *([] if own else [each("light", 8, layouts)]),
        *([] if own else [each(name, 8, more) for name in ("wait", "mixed", "write")]),
        *(each(page, n, alone if n == 1 else few) for n in CLIENTS),
    ]


def of_claims(wanted: Iterable[Claim]) -> list[Experiment]:
    """One round of everything that these claims compare; what several need is measured once."""
    sides: dict[tuple[str, Closed | Open], dict[str, None]] = {}
    for claim in wanted:
        for load, layout in ((claim.load, claim.this), (claim.under or claim.load, claim.that)):
            sides.setdefault((claim.workload, load), {})[layout.name] = None
    return [
        Experiment(workload, load, tuple(names), FEW_SECONDS if workload in LIBRARY else SECONDS)
        for (workload, load), names in sides.items()
    ]


def main_layouts(layouts: Collection[str]) -> tuple[str, ...]:
    """The layouts of the claim the project starts from, as far as they are measured."""
    found = tuple(name for name in ("1x4 direct", "2x2", "2x1") if name in layouts)
    return found or tuple(layouts)


def duration(experiments: Iterable[Experiment]) -> float:
    """Seconds that a round of these takes, about."""
    return sum(len(each.layouts) * (each.seconds + OVERHEAD) for each in experiments)


def measure(
    track: Track,
    run: Run,
    wanted: Callable[[int], list[Experiment]],
    left: Callable[[], float],
) -> None:
    """Add the outcomes of as many rounds as there is time for to a run that has none yet.

    No experiment is begun that is not over in time, if it takes as long as it did before.

    :param wanted: what the next round is to measure, after so many; nothing ends the run.
    :param left: seconds that are left.
    :raises Broken: where there is no time for one round.
    """
    outcomes: dict[tuple[str, Closed | Open], Outcome] = {}
    took: dict[tuple[str, Closed | Open], float] = {}
    number = 0
    while batch := wanted(number):
        if not number and duration(batch) > left():
            raise Broken(
                f"--minutes: one round takes about {duration(batch):.0f} s, and after the start of "
                f"the instances {max(0, left()):.0f} s are left."
            )
        number += 1
        for each in batch:
            key, began = (each.workload, each.load), left()
            if took.get(key, duration([each])) > began:
                if number == 1:
                    run.notes.append(f"no time for {each.workload}, {each.load}, and the rest")
                    track.say(run.notes[-1])
                return
            outcome = outcomes.setdefault(key, Outcome(each, []))
            run.outcomes[:] = outcomes.values()
            track.add(outcome, number, each.layouts)
            took[key] = began - left()


def measure_claims(
    track: Track, run: Run, claims: tuple[Claim, ...], left: Callable[[], float]
) -> None:
    """Add rounds to a run until the ratio of each claim is narrow, or the time is over.

    A claim whose ratio is narrow is measured no more, so the rest have more rounds. Which claims
    stayed wide is noted in the run.

    :param left: as of :func:`measure`.
    :raises Broken: where there is no time for one round.
    """

    def wide() -> list[Claim]:
        known = {claim.title: claim for claim in compared(run, claims)}
        found = [known.get(claim.title, claim) for claim in claims]
        return [claim for claim in found if not claim.ratio.narrow]

    def wanted(number: int) -> list[Experiment]:
        if not number:
            return of_claims(claims)
        found = wide()
        wide_ones = f"{len(found)} of {len(claims)} ratios"
        track.say(f"after round {number}, {wide_ones} are not narrow enough yet")
        for claim in found:
            track.say(f"  {claim.title}: {claim.ratio}")
        return of_claims(found)

    measure(track, run, wanted, left)
    if late := wide():
        run.notes.append(
            f"the time was over while the spread of these was wider than {WIDTH:.0%} of the "
            f"median, or had too few rounds: {'; '.join(claim.title for claim in late)}"
        )
        track.say(run.notes[-1])
