"""Measure layouts in turn, round by round: A B C, A B C, ..."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from zopestack.bench import engine, load, proc
from zopestack.bench.farm import Farm, counters
from zopestack.bench.layouts import Layout, Target
from zopestack.bench.measured import Closed
from zopestack.bench.quiet import Quiet
from zopestack.bench.record import Experiment, Outcome, Sample
from zopestack.bench.slow import slow_readers
from zopestack.bench.workloads import BLOB, MODEM, Workload

#: Seconds of load before a measurement, so that caches are warm.
WARM_UP = 0.3


class Track:
    """Where layouts run: each when its turn comes, those that take long to start once."""

    def __init__(self, farm: Farm, layouts: Mapping[str, Layout], lasting: ExitStack) -> None:
        self.farm = farm
        self.layouts = layouts
        self._lasting = lasting
        self._started: dict[str, Target] = {}

    @contextmanager
    def running(self, name: str) -> Iterator[Target]:
        """The layout, ready for requests."""
        layout = self.layouts[name]
        if not layout.lasting:
            with layout.serve(self.farm, layout) as target:
                yield target
            return
        if name not in self._started:
            target = self._lasting.enter_context(layout.serve(self.farm, layout))
            target.settle()
            self._started[name] = target
        yield self._started[name]


def run(
    track: Track,
    experiment: Experiment,
    workload: Workload,
    say: Callable[[str], None],
    quiet: Quiet | None = None,
) -> Outcome:
    """Measure every layout of the experiment in every round.

    :param quiet: patience with others who use the machine; none unless given.
    """
    quiet = quiet or Quiet()
    samples = []
    for number, name in interleaved(experiment):
        sample = None
        while sample is None or not quiet.accepts(sample):
            quiet.wait()
            with track.running(name) as target:
                warm_up(target, workload, track.layouts[name])
                sample = measure(name, number, target, workload, experiment)
        samples.append(sample)
        say(
            f"{workload.name}, {experiment.load}, round {number}/{experiment.rounds}: "
            f"{name:14} {sample.measured.rate:8.1f} requests/s, "
            f"p99 {sample.figure('p99 ms'):7.1f} ms"
            + (f", {sample.measured.failed} errors" if sample.measured.failed else "")
        )
    return Outcome(experiment, samples)


def interleaved(experiment: Experiment) -> Iterator[tuple[int, str]]:
    """Round and layout, in the order they are measured."""
    for number in range(1, experiment.rounds + 1):
        for name in experiment.layouts:
            yield number, name


def warm_up(target: Target, workload: Workload, layout: Layout) -> None:
    """Some requests that are not counted, as many at once as there are threads."""
    clients = Closed(layout.instances * layout.threads)
    engine.run(target.address, workload.paths, clients, WARM_UP)


def measure(
    name: str, number: int, target: Target, workload: Workload, experiment: Experiment
) -> Sample:
    """Put the load on a running layout and sample what it costs."""
    with slow_readers(target.address, BLOB, workload.slow_readers, MODEM):
        processes = target.processes
        before = {role: proc.usage(pids) for role, pids in processes.items()}
        interrupts = proc.rescheduling()
        began, busy, own = time.monotonic(), proc.busy(), proc.own()
        gil = _gil(target, workload)
        measured = load.run(target.address, workload.paths, experiment.load, experiment.seconds)
        passed, others = time.monotonic() - began, proc.busy() - busy - (proc.own() - own)
        used = {role: proc.usage(pids) - before[role] for role, pids in processes.items()}
        after = proc.rescheduling()
    now = _gil(target, workload)
    requests = now[0] - gil[0]
    return Sample(
        layout=name,
        round=number,
        measured=measured,
        cpu={role: usage.cpu for role, usage in used.items()},
        voluntary=sum(usage.voluntary for usage in used.values()),
        involuntary=sum(usage.involuntary for usage in used.values()),
        rescheduling=None if after is None or interrupts is None else after - interrupts,
        pss={role: sum(map(proc.pss, pids)) for role, pids in processes.items()},
        queue=_queue(target),
        others=max(0.0, others - sum(usage.cpu for usage in used.values())) / passed,
        gil=(now[1] - gil[1]) / requests if requests else None,
    )


def _gil(target: Target, workload: Workload) -> tuple[float, float]:
    """Requests that measured it and their seconds of waiting for the GIL, so far."""
    if "/bench-cpu" not in workload.paths:
        return 0, 0
    found = [counters(instance) for instance in target.instances]
    return (
        sum(x["requests"] for x in found),
        sum(x["elapsed"] - x["cpu"] - x["runnable"] for x in found),
    )


def _queue(target: Target) -> float | None:
    """The mean queue time of the last 1024 requests, in seconds (HAProxy, ``qtime``)."""
    if target.runtime is None:
        return None
    answer = target.runtime.command("show stat").lstrip("# ")
    for row in csv.DictReader(answer.splitlines()):
        if row["pxname"] == "zope" and row["svname"] == "BACKEND":
            return int(row["qtime"] or 0) / 1000
    return None
