"""Measure promises until the spread of each ratio is narrow enough, or the time is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from zopestack_bench import Broken, plan, rounds
from zopestack_bench.claims import Claim, compared
from zopestack_bench.ratios import WIDTH
from zopestack_bench.record import Closed, Experiment, Open, Outcome, Run
from zopestack_bench.rounds import Track
from zopestack_bench.workloads import WORKLOADS

#: Seconds of load in each measurement.
SECONDS = 4


def experiments(wanted: Iterable[Claim]) -> list[Experiment]:
    """One round of everything that these claims compare; what several need is measured once."""
    sides: dict[tuple[str, Closed | Open], dict[str, None]] = {}
    for claim in wanted:
        for load, layout in ((claim.load, claim.this), (claim.under or claim.load, claim.that)):
            sides.setdefault((claim.workload, load), {})[layout] = None
    return [
        Experiment(workload, load, tuple(layouts), 1, SECONDS)
        for (workload, load), layouts in sides.items()
    ]


def measure(
    track: Track,
    run: Run,
    wanted: tuple[Claim, ...],
    left: Callable[[], float],
    say: Callable[[str], None],
) -> None:
    """Add the outcomes of as many rounds as it takes to a run that has none yet.

    A claim whose ratio is narrow is measured no more, so the rest have more rounds. Which claims
    stayed wide is noted in the run.

    :param left: seconds that are left.
    :raises Broken: where there is no time for one round.
    """
    run.outcomes[:] = [Outcome(replace(each, rounds=0), []) for each in experiments(wanted)]
    number, wide = 0, wanted
    while wide and plan.duration(experiments(wide)) < left():
        number += 1
        for experiment in experiments(wide):
            _round(track, run, experiment, number, say)
        found = compared(run, wanted)
        wide = tuple(claim for claim in found if not claim.ratio.narrow)
        say(f"after round {number}, {len(wide)} of {len(wanted)} ratios are not narrow enough yet")
        for claim in wide:
            say(f"  {claim.name}: {claim.ratio}")
    if not number:
        needed = plan.duration(experiments(wanted))
        raise Broken(
            f"--minutes: one round takes about {needed:.0f} s, and after the start of the "
            f"instances {max(0, left()):.0f} s are left."
        )
    if wide:
        names = ", ".join(claim.name for claim in wide)
        run.notes.append(
            f"the time was over while the spread of these was wider than {WIDTH:.0%} of the "
            f"median, or had too few rounds: {names}"
        )
        say(run.notes[-1])


def _round(
    track: Track, run: Run, experiment: Experiment, number: int, say: Callable[[str], None]
) -> None:
    """One round of an experiment, added to the outcome of the same workload and load."""
    for index, outcome in enumerate(run.outcomes):
        made = outcome.experiment
        if (made.workload, made.load) == (experiment.workload, experiment.load):
            workload = WORKLOADS[experiment.workload]
            outcome.samples.extend(
                rounds.one(track, experiment, workload, number, name, say)
                for name in experiment.layouts
            )
            run.outcomes[index] = replace(outcome, experiment=replace(made, rounds=number))
