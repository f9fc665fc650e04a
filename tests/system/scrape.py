"""How long a scrape of a large stack takes, and what it costs.

    .venv/bin/python -m tests.system.scrape [INSTANCES]

Every agent is real, each in a process of its own with a waitress instead of a Zope; HAProxy,
supervisord and the program that gathers are those of a stack. An instance with Zope has about 13
lines more for each database. It prints the median and the longest of the scrapes, the CPU time of
each of the two kinds of processes, and the size of the answer.
"""

from __future__ import annotations

import statistics
import sys
import time

import psutil

from scripts.bootstrap import say
from tests.support import figures, freeports
from tests.support.fetch import fetch
from tests.support.supervised import Supervised

SCRAPES = 20


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system


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
        before = cpu(pids["metrics"]), cpu(pids["instance1"])
        seconds = []
        for _ in range(SCRAPES):
            began = time.perf_counter()
            body = fetch(address, "/metrics").body
            seconds.append(time.perf_counter() - began)
        after = cpu(pids["metrics"]), cpu(pids["instance1"])
        gathering, agent = (1000 * (b - a) / SCRAPES for a, b in zip(before, after, strict=True))
        answers = body.count(b'zopestack_answers{process="instance')
        memory = psutil.Process(pids["metrics"]).memory_full_info()
    print(
        f"{answers} instances: median {statistics.median(seconds):.2f} s, longest "
        f"{max(seconds):.2f} s; CPU a scrape: {gathering:.0f} ms to gather, {agent:.1f} ms in an "
        f"agent; {len(body) >> 10} kB, {len(body.splitlines())} lines; metrics uses "
        f"{memory.pss >> 20} MB (PSS)"
    )


if __name__ == "__main__":
    main()
