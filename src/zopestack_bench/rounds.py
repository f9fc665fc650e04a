"""Measure layouts in turn, round by round: A B C, A B C, ..."""

from __future__ import annotations

import csv
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from zopestack_bench import load, proc
from zopestack_bench.farm import Farm, counters
from zopestack_bench.layouts import Layout
from zopestack_bench.record import STOLEN, Closed, Experiment, Measured, Outcome, Sample
from zopestack_bench.slow import slow_clients
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
    track: Track, experiment: Experiment, workload: Workload, say: Callable[[str], None]
) -> Outcome:
    """Measure every layout of the experiment in every round."""
    turns = interleaved(experiment)
    samples = [one(track, experiment, workload, number, name, say) for number, name in turns]
    return Outcome(experiment, samples)


def interleaved(experiment: Experiment) -> Iterator[tuple[int, str]]:
    """Round and layout, in the order they are measured."""
    for number in range(1, experiment.rounds + 1):
        for name in experiment.layouts:
            yield number, name


def one(
    track: Track,
    experiment: Experiment,
    workload: Workload,
    number: int,
    name: str,
    say: Callable[[str], None],
) -> Sample:
    """Measure one layout in one round, and say what came out."""
    with track.running(name) as target:
        track.warm_up(name, target, workload, experiment.load.most)
        sample = measure(name, number, target, workload, experiment)
    cpu, stolen = sample.figure("CPU ms"), sample.figure("stolen %")
    say(
        f"{workload.name}, {experiment.load}, round {number}: {name:14} "
        + (f"{cpu:7.2f} CPU ms, " if math.isfinite(cpu) else "")
        + f"{sample.measured.rate:8.1f} requests/s, p99 {sample.figure('p99 ms'):7.1f} ms"
        + (f", {stolen:.0f}% stolen" if stolen > STOLEN else "")
        + (f", {sample.measured.failed} errors" if sample.measured.failed else "")
    )
    return sample


def measure(
    name: str, number: int, target: Target, workload: Workload, experiment: Experiment
) -> Sample:
    """Put the load on a running layout, and sample what it costs.

    CPU, switches and interrupts are those until the load ends.
    """
    with slow_clients(target.address, workload.slow_readers, BLOB, MODEM) as readers:
        processes, crowd = target.processes, (*readers, *target.crowd)
        counted = count(target, workload)
        before = {role: proc.usage(pids) for role, pids in processes.items()}
        interrupts = proc.rescheduling()
        began, others, stolen = time.monotonic(), _others(crowd), proc.stolen()
        measured = load.run(
            target.address,
            workload.paths,
            experiment.load,
            experiment.seconds,
            cookies=workload.cookies,
            source=target.client,
        )
        passed, others = time.monotonic() - began, _others(crowd) - others
        stolen = proc.stolen() - stolen
        used = {role: proc.usage(pids) - before[role] for role, pids in processes.items()}
        after = proc.rescheduling()
    found = figures(measured, used, None if interrupts is None else (after or 0) - interrupts)
    found["queue ms"] = _queue(target)
    found |= a_request(counted, count(target, workload))
    memory = {role: sum(map(proc.pss, pids)) / 1e6 for role, pids in processes.items()}
    found["Zope memory MB"] = memory.get("zope")
    found["memory MB"] = sum(memory.values()) if memory else None
    found["stolen %"] = 100 * stolen / passed / (os.cpu_count() or 1)
    found["cores of others"] = max(0.0, others - sum(each.cpu for each in used.values())) / passed
    found["errors"] = measured.failed
    target.settle(LEFT_OVER)
    return Sample(name, number, measured, found)


def figures(
    measured: Measured, used: Mapping[str, proc.Usage], interrupts: int | None
) -> dict[str, float | None]:
    """Rate and latency, and what each request with a response, good or not, has cost.

    :param used: by role: ``zope``, ``balancer``, ``zeo``, and ``helpers`` where supervisord runs
        the balancer and the writer of its log.
    :param interrupts: rescheduling interrupts of the whole machine; None where it counts none.
    """
    errors = measured.errors.items()
    answered = measured.requests + sum(n for why, n in errors if why.startswith("status"))

    def each(amount: float | None) -> float | None:
        return amount / answered if answered and amount is not None else None

    def cpu(*roles: str) -> float | None:
        spent = [1000 * used[role].cpu for role in roles if role in used]
        return each(sum(spent)) if roles and roles[0] in used else None

    waited = sum(usage.voluntary for usage in used.values())
    preempted = sum(usage.involuntary for usage in used.values())
    return {
        "requests/s": measured.rate,
        **{f"p{p} ms": measured.milliseconds(p) for p in (50, 95, 99)},
        "Zope CPU ms": cpu("zope"),
        "balancer CPU ms": cpu("balancer"),
        "ZEO CPU ms": cpu("zeo"),
        "helpers CPU ms": cpu("helpers"),
        "front end CPU ms": cpu("balancer", "helpers"),
        "CPU ms": cpu(*used),
        "context switches": each(waited + preempted),
        "voluntary switches": each(waited),
        "involuntary switches": each(preempted),
        "rescheduling interrupts": each(interrupts),
    }


def count(target: Target, workload: Workload) -> Mapping[str, float]:
    """What the built-in pages have counted until now in the instances of a layout; nothing for
    a workload whose pages do not count."""
    if not any(path.startswith(COUNTING) for path in workload.paths):
        return {}
    total: Counter[str] = Counter()
    for instance in target.instances:
        total.update(counters(instance))
    return total


def a_request(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float | None]:
    """What the pages have counted in between, for each request."""

    def mean(amount: str, number: str) -> float | None:
        many = now.get(number, 0) - before.get(number, 0)
        return (now[amount] - before.get(amount, 0)) / many if many else None

    objects, loads = mean("objects", "reads"), mean("loads", "reads")
    return {
        "GIL wait ms": mean("gil ms", "computed"),
        "objects": objects,
        "loads": loads,
        "cache hits %": 100 * (1 - (loads or 0) / objects) if objects else None,
    }


def _others(crowd: tuple[int, ...]) -> float:
    """Seconds of CPU used by others than this process and the slow clients."""
    return proc.busy() - proc.own() - proc.usage(crowd).cpu


def _queue(target: Target) -> float | None:
    """The mean queue time of the last 1024 requests, in milliseconds (HAProxy, ``qtime``)."""
    if target.runtime is None:
        return None
    answer = target.runtime.command("show stat").lstrip("# ")
    for row in csv.DictReader(answer.splitlines()):
        if row["pxname"] == "zope" and row["svname"] == "BACKEND":
            return int(row["qtime"] or 0)
    return None
