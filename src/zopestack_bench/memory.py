"""``scripts/bench --memory``: what instances take, those that share memory and those that do not.

Each number of them runs twice, one after the other, and serves the same requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zopestack.model import Stack
from zopestack.supervisor import group
from zopestack.supervisor.client import Supervisor
from zopestack_bench import proc
from zopestack_bench.farm import Farm
from zopestack_bench.layouts import generated
from zopestack_bench.probe import fetch
from zopestack_bench.record import Run, Weighed
from zopestack_bench.workloads import WORKLOADS

#: Numbers of instances. A user's own buildout has at least as many as it says.
COUNTS = (1, 2, 4, 8)

#: Requests to each instance before it is weighed.
REQUESTS = 100

#: What is asked for where the user names no page.
PAGES = (*WORKLOADS["light"].paths, *WORKLOADS["cpu"].paths)


def measure(
    run: Run,
    say: Callable[[str], None],
    paths: Sequence[str] = PAGES,
    theirs: Stack | None = None,
    counts: Sequence[int] = COUNTS,
) -> None:
    """Add to the run what every number of instances takes.

    :param paths: requested in turn, of every instance; the first one is the warm-up.
    :param theirs: the Stack of the user's own buildout, a copy of whose database is served.
    :raises Broken: where one does not start or answer.
    """
    least = len(theirs.instances) if theirs else 1
    for count in (each for each in counts if each >= least):
        for shared in (False, True):
            settings = {"share-memory": "on" if shared else "off", "warm-up": paths[0]}
            layouts = [generated(count, 1)]
            with Farm(layouts, say, theirs, hosts=False, settings=settings) as farm:
                taken = Weighed(count, shared, _megabytes(farm, paths))
            run.memory.append(taken)
            say(f"{count} instances, share-memory {settings['share-memory']}: {taken}")


def _megabytes(farm: Farm, paths: Sequence[str]) -> float:
    """PSS of everything that supervisord runs, and its own."""
    for instance in farm.stack.instances:
        for number in range(REQUESTS):
            fetch(instance.address, paths[number % len(paths)])
    everything = proc.family(Supervisor(farm.stack.supervisor_socket).pid())
    return sum(map(group.share, everything)) / (1 << 20)
