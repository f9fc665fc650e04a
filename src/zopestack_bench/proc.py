"""What processes and the machine have used, from psutil and proc(5).

psutil counts the CPU of a process in ticks of 10 ms and the context switches of its main thread
only. A second of load needs both per thread, so those two are read here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")

#: Seconds of a tick of the kernel's clock.
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Sums over the threads of processes since they started.

    :param cpu: seconds.
    :param voluntary: context switches of threads that waited, for a lock among others.
    :param involuntary: context switches of threads that were preempted.
    """

    cpu: float = 0.0
    voluntary: int = 0
    involuntary: int = 0

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.cpu - other.cpu,
            self.voluntary - other.voluntary,
            self.involuntary - other.involuntary,
        )


def usage(pids: Iterable[int]) -> Usage:
    """What these processes have used; one that has ended counts as nothing."""
    threads = [thread for pid in pids for thread in (PROC / str(pid)).glob("task/*")]
    # Of each thread the voluntary ones, then the others.
    switches = [re.findall(r"ctxt_switches:\s+(\d+)", _text(each / "status")) for each in threads]
    counts = [sum(map(int, each)) for each in zip(*filter(None, switches), strict=True)]
    return Usage(sum(map(_cpu, threads)), *counts)


def family(pid: int) -> tuple[int, ...]:
    """A process and its descendants."""
    try:
        return (pid, *(child.pid for child in psutil.Process(pid).children(recursive=True)))
    except psutil.Error:
        return (pid,)


def rescheduling() -> int | None:
    """Rescheduling interrupts of the whole machine since it started: one core tells another to
    run something else. None where the kernel does not count them."""
    found = re.search(r"^ *RES:([\d ]+)", _text(PROC / "interrupts"), re.MULTILINE)
    return sum(map(int, found[1].split())) if found else None


def busy() -> float:
    """Seconds that cores have worked, for this machine and for others on the same host."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def stolen() -> float:
    """Seconds in which cores were ready to run this machine but ran other machines of the same
    host (``steal`` in proc(5), ``/proc/stat``)."""
    return float(psutil.cpu_times().steal)


def own() -> float:
    """Seconds of CPU that this process has used, and its children that have ended."""
    return sum(os.times()[:4])


def machine() -> dict[str, str]:
    """What figures depend on: processor, usable cores, memory, kernel."""
    uname = os.uname()
    model = re.search(r"^model name\s*: (.*)$", _text(PROC / "cpuinfo"), re.MULTILINE)
    return {
        "processor": model[1] if model else uname.machine,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / 1024**3:.0f} GB",
        "kernel": f"{uname.sysname} {uname.release}",
    }


def _cpu(thread: Path) -> float:
    """Seconds: from nanoseconds where the kernel keeps them, else from ticks."""
    words = _text(thread / "schedstat").split()
    if words and words[0] != "0":
        return int(words[0]) / 1e9
    after_name = _text(thread / "stat").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) * TICK if after_name else 0.0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
