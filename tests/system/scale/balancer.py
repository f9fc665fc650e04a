"""What one HAProxy needs for many instances: memory, CPU, health checks, and a reload.

    .venv/bin/python -m tests.system.scale.balancer [NUMBER ...]

HAProxy and its files are real; one process stands for all instances and their agents. More than
250 instances are groups of 250. It prints a line for each number of instances: how long HAProxy
checks its file, its memory (PSS) with nothing to do and just after a reload, when the worker of
before is still there; the CPU time of a second with nothing to do; health checks and their bytes a
second; how long a reload takes until every instance is up again, and its CPU time; CPU time a
request over that of one where HAProxy has the fewest instances.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.door import Door
from tests.support.polling import until
from tests.support.started import Started

#: Below the ports that tests reserve.
FIRST, AGENTS = 10000, 14000

NUMBERS = (10, 100, 300, 1000)

#: Instances of one lane.
LANE = 250

#: Seconds.
IDLE = 20.0

REQUESTS, CLIENTS = 2000, 4


@dataclass(frozen=True)
class Figures:
    """What one HAProxy needed.

    :param checked: seconds that a check of its file took.
    :param memory: MB with nothing to do.
    :param reloading: MB while the worker of before is still there.
    :param idle: seconds of CPU a second with nothing to do.
    :param checks: health checks a second.
    :param bytes: bytes of these a second.
    :param reload: seconds until every instance was up again.
    :param reload_cpu: seconds of CPU of it.
    :param request: seconds of CPU a request.
    """

    instances: int
    checked: float
    memory: float
    reloading: float
    idle: float
    checks: float
    bytes: float
    reload: float
    reload_cpu: float
    request: float

    def __str__(self) -> str:
        return (
            f"{self.instances} instances: file checked in {self.checked:.2f} s; "
            f"{self.memory:.0f} MB, {self.reloading:.0f} MB in a reload; "
            f"{100 * self.idle:.1f}% of a core idle; {self.checks:.0f} checks/s, "
            f"{self.bytes / 1000:.0f} kB/s; reload {self.reload:.1f} s, "
            f"{self.reload_cpu:.2f} s CPU; {1e6 * self.request:.0f} us CPU a request"
        )


@contextmanager
def stubs(number: int) -> Iterator[subprocess.Popen[str]]:
    """All instances and agents, in one process."""
    command = [sys.executable, "-m", "tests.system.scale.stubs", *map(str, (FIRST, AGENTS, number))]
    with Started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "serving\n"
        yield process
        process.stdin.close()


def checks(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Health checks so far, and their bytes."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    number, size = process.stdout.readline().split()
    return int(number), int(size)


class Measured:
    """One HAProxy."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def workers(self) -> list[psutil.Process]:
        """Its processes."""
        assert self.door.master
        master = psutil.Process(self.door.master.pid)
        return [master, *master.children()]

    def spent(self) -> float:
        """Seconds of CPU so far, of those that run."""
        return self._sum(lambda each: sum(each.cpu_times()[:2]))

    def memory(self) -> float:
        """MB."""
        return self._sum(lambda each: each.memory_full_info().pss) / 1e6

    def _sum(self, figure: Callable[[psutil.Process], float]) -> float:
        total = 0.0
        for each in self.workers():
            # The worker of before a reload may just end.
            with suppress(psutil.NoSuchProcess):
                total += figure(each)
        return total

    def checked(self) -> float:
        """Seconds that a check of the file takes."""
        began = time.monotonic()
        stack = self.door.stack
        command = [stack.balancer.executable, "-c", "-q", "-f", stack.haproxy_conf]
        subprocess.run(command, env=self.door.environment, check=True)
        return time.monotonic() - began

    def reload(self) -> tuple[float, float, float]:
        """Seconds until all are up again, seconds of CPU, and MB meanwhile."""
        began = time.monotonic()
        self.door.reload()
        memory = self.memory()
        until(
            "every instance to be up",
            self.door.servers,
            lambda seen: all(each.up for each in seen.values()),
        )
        (*_, worker) = self.workers()
        return time.monotonic() - began, sum(worker.cpu_times()[:2]), memory

    def request(self, idle: float) -> float:
        """Seconds of CPU that a request takes beside what HAProxy does anyway.

        :param idle: seconds of CPU a second that these are.
        """
        before, began = self.spent(), time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as clients:
            found = list(clients.map(lambda _: self.door.get().status, range(REQUESTS)))
        assert {*found} == {200}
        return (self.spent() - before - idle * (time.monotonic() - began)) / REQUESTS


def measure(number: int, records: Path) -> Figures:
    """One HAProxy with this number of instances."""
    lanes = [min(LANE, number - at) for at in range(0, number, LANE)]
    groups = {f"g{at}": {"instances": str(size)} for at, size in enumerate(lanes[1:], 1)}
    options = {"instances": lanes[0], "groups": "\n".join(f"{name} = /{name}" for name in groups)}
    with stubs(number) as process, Door(records, FIRST, AGENTS, options, groups) as door:
        one = Measured(door)
        checked = one.checked()
        memory = one.memory()
        before, then, began = one.spent(), checks(process), time.monotonic()
        time.sleep(IDLE)
        after, now, seconds = one.spent(), checks(process), time.monotonic() - began
        idle = (after - before) / seconds
        request = one.request(idle)
        reload, cpu, both = one.reload()
    rate, size = ((b - a) / seconds for a, b in zip(then, now, strict=True))
    return Figures(number, checked, memory, both, idle, rate, size, reload, cpu, request)


def measured(numbers: Iterable[int]) -> Iterator[Figures]:
    """One HAProxy after the other."""
    records = Path(tempfile.mkdtemp(prefix="zs-"))
    try:
        yield from (measure(number, records) for number in numbers)
    finally:
        shutil.rmtree(records)


def main() -> None:
    """Measure and print."""
    found = []
    for figures in measured(map(int, sys.argv[1:] or NUMBERS)):
        print(figures, flush=True)
        found.append(figures)
    ratios = ", ".join(f"{each.request / found[0].request:.2f}" for each in found)
    print(f"CPU a request over that with {found[0].instances}: {ratios}")


if __name__ == "__main__":
    main()
