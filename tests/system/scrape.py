"""How long a scrape of a large stack takes, and a look of its status page, and what they cost.

    .venv/bin/python -m tests.system.scrape [INSTANCES]

Every agent is real, each in a process of its own with a waitress instead of a Zope; HAProxy,
supervisord and the program that gathers are those of a stack. An instance with Zope has about 13
lines more for each database. It prints the median and the longest of the scrapes, the CPU time of
each of the two kinds of processes, and the size of the answer; then the same of looks, and the size
of an hour of samples.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from scripts.bootstrap import say
from tests.support import cpu, figures, freeports
from tests.support.fetch import fetch
from tests.support.supervised import Supervised
from zopestack.features.address import Address
from zopestack.supervisor.page import hour, look, status
from zopestack.supervisor.page.watcher import FRESH

SCRAPES = 20


@dataclass(frozen=True)
class Cost:
    """What it takes to ask a path again and again."""

    path: str
    body: bytes
    seconds: list[float]
    gathering: float
    agent: float

    def __str__(self) -> str:
        return (
            f"{self.path}: median {statistics.median(self.seconds):.2f} s, longest "
            f"{max(self.seconds):.2f} s; CPU: {1000 * self.gathering:.0f} ms to gather, "
            f"{1000 * self.agent:.1f} ms in an agent; {len(self.body) >> 10} kB"
        )


def measured(address: Address, path: str, used: Callable[[], tuple[float, float]]) -> Cost:
    """Ask so often that the cost of one is seen, and never so soon that an answer is an old one."""
    seconds, pause = [], threading.Event()
    before = used()
    for _ in range(SCRAPES):
        pause.wait(1.5 * FRESH)
        began = time.perf_counter()
        body = fetch(address, path).body
        seconds.append(time.perf_counter() - began)
    gathering, agent = ((b - a) / SCRAPES for a, b in zip(before, used(), strict=True))
    return Cost(path, body, seconds, gathering, agent)


def hour_of(stack: Supervised) -> str:
    """The size of an hour of samples, each as a real look has it."""
    seen = look.look(stack.stack)
    values, instances = status.sample(seen, seen)
    tracemalloc.start()
    kept = hour.Hour()
    for number in range(hour.LENGTH):
        kept.add(number, values, instances)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sent = len(json.dumps(kept.told(), separators=(",", ":")))
    return f"an hour of samples: {size >> 10} kB in memory, {sent >> 10} kB as JSON"


def main() -> None:
    """Measure and print."""
    instances = int((*sys.argv[1:], 40)[0])
    blocks = [freeports.reserve() for _ in range(2)]
    with Supervised(instances=1) as stack:
        stack.configure(
            instances=instances,
            base_port=blocks[0].http,
            agent_base_port=blocks[1].http,
            metrics_address=f"127.0.0.1:{stack.ports.spare}",
        )
        say(f"starting {instances} instances")
        stack.start()
        stack.wait_serving()
        address = stack.stack.metrics.metrics_address
        assert address
        for each in stack.stack.instances:
            for path in ("/", "/x", "/y"):
                fetch(each.address, path)
        pids = stack.pids()
        figures.listening(address)
        metrics, agent = (psutil.Process(pids[name]) for name in ("metrics", "instance1"))
        costs = [
            measured(address, path, lambda: (cpu.used([metrics]), cpu.used([agent])))
            for path in ("/metrics", "/status.json")
        ]
        samples = hour_of(stack)
        memory = metrics.memory_full_info()
    body = costs[0].body
    answers = body.count(b'zopestack_answers{process="instance')
    print(
        f"{answers} instances, {len(body.splitlines())} lines of figures; metrics uses "
        f"{memory.pss >> 20} MB (PSS)",
        *costs,
        samples,
        sep="\n",
    )


if __name__ == "__main__":
    main()
