"""Measure layouts in turn, round by round: A B C, A B C, ..."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus

from zopestack.supervisor import group
from zopestack_bench import Broken, proc
from zopestack_bench import load as generator
from zopestack_bench.farm import Farm, counters
from zopestack_bench.layouts import Layout
from zopestack_bench.probe import status
from zopestack_bench.record import STOLEN, Closed, Experiment, Measured, Open, Outcome, Sample
from zopestack_bench.slow import slow_clients
from zopestack_bench.target import Target, running
from zopestack_bench.workloads import KNOWN, Workload, host_and_path

#: Seconds of load before a layout is measured with a workload for the first time: each process
#: compiles templates, and fills caches, for pages that it has not served before.
FIRST_WARM_UP = 1.0

#: Seconds in which the processes of a layout must be idle before the next one is measured.
LEFT_OVER = 0.1

#: Paths of the pages that count what they do.
COUNTING = ("/bench-cpu", "/bench-shelf/")


class Track:
    """Where layouts are measured, each when its turn comes.

    :param say: called with a line of each sample.
    :param own: pages of the user's in place of the built-in ones.
    """

    def __init__(
        self,
        farm: Farm,
        layouts: Mapping[str, Layout],
        say: Callable[[str], None],
        own: Workload | None = None,
    ) -> None:
        self.farm, self.layouts = farm, layouts
        self.say, self.own = say, own
        self._served: set[tuple[str, str]] = set()

    def add(self, outcome: Outcome, number: int, names: tuple[str, ...] = ()) -> None:
        """Add a round with this number to an outcome.

        :param names: the layouts to measure; all of the experiment unless given.
        """
        experiment = outcome.experiment
        workload = self.own or KNOWN[experiment.workload]
        for name in names or experiment.layouts:
            with running(self.farm, self.layouts[name]) as target:
                self._warm_up(self.layouts[name], target, workload, experiment.load)
                sample = measure(name, number, target, workload, experiment)
            outcome.samples.append(sample)
            what = f"{workload.name}, {experiment.load}, round {number}"
            self.say(f"{what}: {name:14} {_said(sample)}")

    def _warm_up(
        self, layout: Layout, target: Target, workload: Workload, load: Closed | Open
    ) -> None:
        """Send requests that are not counted, as many at once as there are threads; twice as
        many, and longer, the first time, so that no thread is left out.

        :param load: that follows; no more clients than it has, so that caches hold what they will
            hold then.
        """
        pair = (layout.name, workload.name)
        first = pair not in self._served
        self._served.add(pair)
        threads = layout.instances * layout.threads * (2 if first else 1)
        seconds = max(workload.warm_up, FIRST_WARM_UP if first else 0)
        clients = min(threads, load.clients) if isinstance(load, Closed) else threads
        generator.run(
            target.address, workload.paths, Closed(clients), seconds, cookies=workload.cookies
        )


def answered(
    farm: Farm, layout: Layout, workload: Workload, say: Callable[[str], None]
) -> Workload:
    """The workload with what has a good response without a login, asked for once so that caches
    are warm.

    :raises Broken: where nothing has.
    """
    distinct = tuple(dict.fromkeys(workload.paths))
    say(f"asking for {len(distinct)} page{'s' if len(distinct) > 1 else ''} once")
    with running(farm, layout) as target:
        asked = {path: host_and_path(path, target.address) for path in distinct}
        found = {path: status(target.address, at, host) for path, (host, at) in asked.items()}
    bad = [path for path in distinct if not 0 < found[path] < HTTPStatus.BAD_REQUEST]
    if len(bad) == len(distinct):
        raise Broken(f"no page can be read without a login, {distinct[0]} for one")
    if bad:
        say(f"left out, an error without a login: {len(bad)} pages, such as {bad[0]}")
    return replace(workload, paths=tuple(path for path in workload.paths if path not in bad))


def _said(sample: Sample) -> str:
    cpu, stolen = sample.figure("CPU ms"), sample.figure("stolen %")
    return (
        (f"{cpu:7.2f} CPU ms, " if math.isfinite(cpu) else "")
        + f"{sample.measured.rate:8.1f} requests/s, p99 {sample.figure('p99 ms'):7.1f} ms"
        + (f", {stolen:.0f}% stolen" if stolen > STOLEN else "")
        + (f", {sample.measured.failed} errors" if sample.measured.failed else "")
    )


def measure(
    name: str, number: int, target: Target, workload: Workload, experiment: Experiment
) -> Sample:
    """Put the load on a running layout, and sample what it costs.

    CPU, switches and interrupts are those until the load ends.
    """
    with slow_clients(target.address, workload.slow) as readers:
        processes, crowd = target.processes, (*readers, *target.crowd)
        counted = count(target, workload)
        before = {role: proc.usage(pids) for role, pids in processes.items()}
        interrupts = proc.rescheduling()
        began, others, stolen = time.monotonic(), _others(crowd), proc.stolen()
        measured = generator.run(
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
    found |= a_request(counted, count(target, workload))
    memory = {role: sum(map(group.share, pids)) / 1e6 for role, pids in processes.items()}
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
