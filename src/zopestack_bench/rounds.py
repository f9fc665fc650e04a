"""Measure layouts in turn, round by round: A B C, A B C, ..."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass

from zopestack_bench import load, proc
from zopestack_bench.farm import Farm, counters
from zopestack_bench.layouts import Layout
from zopestack_bench.measured import Closed
from zopestack_bench.quiet import Quiet
from zopestack_bench.record import Experiment, Outcome, Sample
from zopestack_bench.slow import slow_readers
from zopestack_bench.target import Target
from zopestack_bench.workloads import BLOB, MODEM, Workload

#: Seconds of load before a layout is measured with a workload for the first time: each process
#: compiles templates, and fills caches, for pages that it has not served before.
FIRST_WARM_UP = 1.0

#: Seconds in which the processes of a layout must be idle before the next one is measured.
LEFT_OVER = 0.1

#: Paths of the pages that count what they do.
COUNTING = ("/bench-cpu", "/bench-shelf/")


class Track:
    """Where layouts run: each when its turn comes; those that take long to start, once."""

    def __init__(self, farm: Farm, layouts: Mapping[str, Layout], lasting: ExitStack) -> None:
        self.farm = farm
        self.layouts = layouts
        self._lasting = lasting
        self._started: dict[str, Target] = {}
        self._served: set[tuple[str, str]] = set()

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

    def warm_up(self, name: str, target: Target, workload: Workload, clients: int) -> None:
        """Send requests that are not counted, as many at once as there are threads; twice as
        many, and longer, the first time, so that no thread is left out.

        :param clients: of the load that follows; no more than these, so that caches hold what
            they will hold then.
        """
        layout, pair = self.layouts[name], (name, workload.name)
        first = pair not in self._served
        self._served.add(pair)
        threads = layout.instances * layout.threads * (2 if first else 1)
        seconds = max(workload.warm_up, FIRST_WARM_UP if first else 0)
        before = Closed(min(threads, clients))
        load.run(target.address, workload.paths, before, seconds, cookies=workload.cookies)


def run(
    track: Track,
    experiment: Experiment,
    workload: Workload,
    say: Callable[[str], None],
    quiet: Quiet | None = None,
) -> Outcome:
    """Measure every layout of the experiment in every round.

    :param quiet: patience with other users of the machine; none unless given.
    """
    quiet = quiet or Quiet()
    samples = []
    for number, name in interleaved(experiment):
        sample = None
        while sample is None or not quiet.accepts(sample):
            quiet.wait()
            with track.running(name) as target:
                track.warm_up(name, target, workload, experiment.load.most)
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


def measure(
    name: str, number: int, target: Target, workload: Workload, experiment: Experiment
) -> Sample:
    """Put the load on a running layout, and sample what it costs.

    CPU, switches and interrupts are those until the load ends.
    """
    with slow_readers(target.address, BLOB, workload.slow_readers, MODEM) as readers:
        processes, crowd = target.processes, (*readers, *target.crowd)
        counted = count(target, workload)
        before = {role: proc.usage(pids) for role, pids in processes.items()}
        interrupts = proc.rescheduling()
        began, others = time.monotonic(), _others(crowd)
        measured = load.run(
            target.address,
            workload.paths,
            experiment.load,
            experiment.seconds,
            cookies=workload.cookies,
            source=target.client,
        )
        passed, others = time.monotonic() - began, _others(crowd) - others
        used = {role: proc.usage(pids) - before[role] for role, pids in processes.items()}
        after = proc.rescheduling()
    queue = _queue(target)
    counted = count(target, workload) - counted
    target.settle(LEFT_OVER)
    return Sample(
        layout=name,
        round=number,
        measured=measured,
        cpu={role: usage.cpu for role, usage in used.items()},
        voluntary=sum(usage.voluntary for usage in used.values()),
        involuntary=sum(usage.involuntary for usage in used.values()),
        rescheduling=None if after is None or interrupts is None else after - interrupts,
        pss={role: sum(map(proc.pss, pids)) for role, pids in processes.items()},
        queue=queue,
        others=max(0.0, others - sum(usage.cpu for usage in used.values())) / passed,
        gil=counted.gil_wait,
        objects=counted.objects / counted.reads if counted.reads else None,
        loads=counted.loads / counted.reads if counted.reads else None,
    )


@dataclass(frozen=True)
class Counted:
    """What the built-in pages have counted in the instances of a layout.

    :param gil: seconds of waiting for the GIL, in so many ``requests``.
    :param loads: objects that were in no ZODB cache, of the ``objects`` that so many ``reads``
        asked for.
    """

    requests: float = 0
    gil: float = 0
    reads: float = 0
    objects: float = 0
    loads: float = 0

    def __sub__(self, other: Counted) -> Counted:
        return Counted(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def gil_wait(self) -> float | None:
        """Seconds of waiting for the GIL a request; None where no request measured it."""
        return self.gil / self.requests if self.requests else None


def count(target: Target, workload: Workload) -> Counted:
    """The counters now; zeros for a workload whose pages do not count."""
    if not any(path.startswith(COUNTING) for path in workload.paths):
        return Counted()
    found = [counters(instance) for instance in target.instances]

    def total(name: str) -> float:
        return sum(each[name] for each in found)

    waited = total("elapsed") - total("cpu") - total("runnable")
    return Counted(total("requests"), waited, total("reads"), total("objects"), total("loads"))


def _others(crowd: tuple[int, ...]) -> float:
    """Seconds of CPU used by others than this process and the slow clients."""
    return proc.busy() - proc.own() - proc.usage(crowd).cpu


def _queue(target: Target) -> float | None:
    """The mean queue time of the last 1024 requests, in seconds (HAProxy, ``qtime``)."""
    if target.runtime is None:
        return None
    answer = target.runtime.command("show stat").lstrip("# ")
    for row in csv.DictReader(answer.splitlines()):
        if row["pxname"] == "zope" and row["svname"] == "BACKEND":
            return int(row["qtime"] or 0) / 1000
    return None
