"""Find the [stack] settings that suit a workload and this machine, by measuring.

:func:`advise` is the whole of it: layouts first (``halving``), then the settings of the one
that won (``refine``).
"""

from __future__ import annotations

import http
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from zopestack.config.listeners import MAX_SOCKET_PATH
from zopestack.features import cpus
from zopestack.features.address import Address
from zopestack.model import Stack
from zopestack.supervisor.health import ask
from zopestack_bench import Broken, evidence, proc, rounds
from zopestack_bench.farm import Farm
from zopestack_bench.halving import FEWEST_ROUNDS, SECONDS, Search
from zopestack_bench.layouts import Layout, counts, generated_layout
from zopestack_bench.plan import OVERHEAD
from zopestack_bench.probe import status
from zopestack_bench.record import Closed, Experiment, Outcome
from zopestack_bench.refine import Refined, alternatives, refine
from zopestack_bench.workloads import Workload, host_and_path

#: Bytes an instance is taken to need before it is measured: a Plone with warm caches.
INSTANCE_BYTES = 200 * 1024**2

#: Threads that are tried; more share one interpreter lock and have never won.
THREADS = (1, 2)

#: Share of the time that is kept for the settings of the winner.
REFINEMENT = 0.4

#: How much of a unix socket's path the benchmark's own directories take below its first one.
OWN_PATH = 45


@dataclass(frozen=True)
class Task:
    """What to tune for.

    :param clients: of the closed loop.
    :param memory: bytes that Zope, ZEO and HAProxy may take.
    :param seconds: the time for measuring.
    :param current: instances and threads in use.
    :param check: whether to measure every layout as long again, and compare.
    :param stack: of the user's buildout, a copy of whose site is measured.
    """

    workload: Workload
    clients: int
    memory: int
    seconds: float
    current: tuple[int, int]
    check: bool = False
    stack: Stack | None = None


def advise(task: Task, say: Callable[[str], None]) -> tuple[list[str], dict[str, str]]:
    """Try layouts and settings within the time and memory of the task.

    :param say: called with each line of progress.
    :return: the evidence, in lines for a person, and the options of [stack] that follow from it,
        none where there is nothing to gain.
    :raises Broken: where the instances do not come up or no page answers.
    """
    layouts = candidates(task)
    with _directory(task.stack) as directory, ExitStack() as lasting:
        farm = Farm(Path(directory), counts(layouts), task.stack)
        lasting.callback(farm.stop)
        farm.start(say)
        track = rounds.Track(farm, layouts, lasting)
        workload = _checked(track, task.workload, say)

        def measure(experiment: Experiment, known: Mapping[str, Layout] = layouts) -> Outcome:
            track.layouts = known
            return rounds.run(track, experiment, workload, say)

        memory = {name: _memory(farm, layout) for name, layout in layouts.items()}
        current = generated_layout(*task.current).name
        names = tuple(name for name in layouts if memory[name] <= task.memory or name == current)
        whole = Experiment(workload.name, Closed(task.clients), names, 0, SECONDS)
        search = Search(whole, current, memory, measure, task.memory)
        began = time.monotonic()
        best = layouts[search.run(task.seconds * (1 - REFINEMENT), say)]
        cost = (time.monotonic() - began) / len(search.samples)
        say(f"{best.name} is the best layout; now its settings")
        options = alternatives(best, _in_use(farm), workload.paths, cpus.usable())
        refined = refine(best, options, measure, whole, task.seconds * REFINEMENT, cost)
        lines = evidence.lines(search, best, refined, task.memory)
        if task.check:
            # How far the recommended layout is from the best that an exhaustive search finds.
            number = max(FEWEST_ROUNDS, int(task.seconds / (len(names) * (SECONDS + OVERHEAD))))
            say(f"the check: every layout in {number} rounds")
            lines += evidence.check(measure(replace(whole, rounds=number)), best.name)
    return lines, changes(best, refined, task.current)


def candidates(task: Task) -> dict[str, Layout]:
    """What is tried: up to two instances a core, as far as memory is likely to go."""
    cores = cpus.usable()
    affordable = max(1, int(task.memory / INSTANCE_BYTES))
    numbers = sorted({1, max(1, cores // 2), cores, cores + (cores + 1) // 2, 2 * cores})
    pairs = [(n, t) for t in THREADS for n in numbers if n <= affordable]
    pairs += [task.current] if task.current not in pairs else []
    return {layout.name: layout for layout in (generated_layout(*pair) for pair in pairs)}


def changes(best: Layout, refined: Refined, current: tuple[int, int]) -> dict[str, str]:
    """The options of [stack] that differ from what is in use."""
    found = {}
    if (best.instances, best.threads) != current:
        found = {"instances": str(best.instances), "threads": str(best.threads)}
    return {**found, **refined.settings}


def _directory(stack: Stack | None) -> tempfile.TemporaryDirectory[str]:
    """Where the copy of a site goes: beside the site's own data, whose blobs can be linked
    there and which has room for it, unless a socket's path would be too long."""
    var = stack.var if stack else None
    if var and len(str(var).encode()) + OWN_PATH > MAX_SOCKET_PATH:
        var = None
    return tempfile.TemporaryDirectory(prefix="tune-", dir=var)


def _checked(track: rounds.Track, workload: Workload, say: Callable[[str], None]) -> Workload:
    """The workload with what answers, asked for once so that caches are warm."""
    distinct = tuple(dict.fromkeys(workload.paths))
    say(f"asking for {len(distinct)} page{'s' if len(distinct) > 1 else ''} once")
    largest = max(track.layouts.values(), key=lambda layout: layout.instances)
    with track.running(largest.name) as target:
        good = {path for path in distinct if _good(path, target.address)}
    if not good:
        raise Broken(f"no page can be read without a login, {distinct[0]} for one")
    if len(good) < len(distinct):
        bad = [path for path in distinct if path not in good]
        say(f"left out, an error without a login: {len(bad)} pages, such as {bad[0]}")
    return replace(workload, paths=tuple(path for path in workload.paths if path in good))


def _good(asked: str, address: Address) -> bool:
    """Whether a path has a good response without a login."""
    host, path = host_and_path(asked, address)
    return 0 < status(address, path, host) < http.HTTPStatus.BAD_REQUEST


def _memory(farm: Farm, layout: Layout) -> int:
    programs = ["zeo", *(x.name for x in farm.instances(layout.instances, layout.threads))]
    return sum(proc.pss(farm.pid(name)) for name in programs)


def _in_use(farm: Farm) -> dict[str, str]:
    """The options that may be refined, as the farm has them."""
    stack = farm.stack
    report = ask(stack.instances[0])
    if report is None:
        raise Broken(f"{stack.instances[0].name} does not answer any more")
    return {
        "switch-interval": f"{1000 * report.switch_interval:g}ms",
        "nbthread": str(stack.balancer.nbthread),
        "affinity": stack.affinity.affinity,
    }
