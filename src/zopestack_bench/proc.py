"""What the kernel says a process has used (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")

#: Of the times in /proc/PID/stat.
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Sums over the threads of processes since they started.

    :param cpu: seconds.
    :param voluntary: context switches of threads that waited, for a lock among others.
    :param involuntary: context switches of threads that had to make way for another.
    """

    cpu: float = 0.0
    voluntary: int = 0
    involuntary: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.cpu + other.cpu,
            self.voluntary + other.voluntary,
            self.involuntary + other.involuntary,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.cpu - other.cpu,
            self.voluntary - other.voluntary,
            self.involuntary - other.involuntary,
        )


def usage(pids: Iterable[int]) -> Usage:
    """What these processes have used; one that has ended adds nothing."""
    total = Usage()
    for pid in pids:
        for thread in _listed(PROC / str(pid) / "task"):
            try:
                total += Usage(_cpu(thread), *_switches(thread))
            except OSError:
                continue
    return total


def family(pid: int) -> tuple[int, ...]:
    """A process and all that descend from it."""
    found = [pid]
    for parent in found:
        for thread in _listed(PROC / str(parent) / "task"):
            found += [int(child) for child in _read(thread / "children").split()]
    return tuple(found)


def threads(pid: int) -> tuple[int, ...]:
    """Ids of the threads of a process."""
    return tuple(int(thread.name) for thread in _listed(PROC / str(pid) / "task"))


def readers(pid: int, descriptor: int) -> tuple[int, ...]:
    """The processes that read from the pipe which a process has as this file descriptor;
    none where it is no pipe, and of those that may be looked at only."""
    pipe = _link(PROC / str(pid) / "fd" / str(descriptor))
    if not pipe.startswith("pipe:"):
        return ()
    return tuple(
        int(process.name)
        for process in _listed(PROC)
        if process.name.isdigit()
        and any(_link(fd) == pipe and _reads(process, fd) for fd in _listed(process / "fd"))
    )


def pss(pid: int) -> int:
    """Bytes of memory, each page shared among those that map it; 0 where not shown."""
    for line in _read(PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def rescheduling() -> int | None:
    """Rescheduling interrupts of the whole machine since it started: one core telling
    another to run something else. None where the kernel does not count them."""
    for line in _read(PROC / "interrupts").splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "RES":
            return sum(int(word) for word in counts.split() if word.isdigit())
    return None


def busy() -> float:
    """Seconds that cores have worked, for this machine and for others on the same host."""
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = (
        int(word) for word in _read(PROC / "stat").partition("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + steal) * TICK


def own() -> float:
    """Seconds of CPU this process has used, and its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def machine() -> dict[str, str]:
    """What figures depend on: processor, cores, memory, kernel."""
    model = [line for line in _read(PROC / "cpuinfo").splitlines() if "model name" in line]
    memory = _read(PROC / "meminfo").split()
    uname = os.uname()
    return {
        "processor": model[0].partition(":")[2].strip() if model else uname.machine,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(memory[1]) / 1024**2:.0f} GB" if len(memory) > 1 else "unknown",
        "kernel": f"{uname.sysname} {uname.release}",
    }


def _listed(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _reads(process: Path, fd: Path) -> bool:
    # In octal; how it was opened is in the last two bits (proc(5), open(2)).
    flags = _read(process / "fdinfo" / fd.name).partition("flags:")[2].split()
    return bool(flags) and int(flags[0], 8) & os.O_ACCMODE == os.O_RDONLY


def _cpu(thread: Path) -> float:
    # In nanoseconds where the kernel accounts for them, else in ticks of 10 ms.
    words = _read(thread / "schedstat").split()
    if words and words[0] != "0":
        return int(words[0]) / 1e9
    fields = (thread / "stat").read_text(encoding="ascii", errors="replace")
    after_name = fields.rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) * TICK


def _switches(thread: Path) -> tuple[int, int]:
    counts = dict(
        line.split(":", 1) for line in _read(thread / "status").splitlines() if ":" in line
    )
    return (
        int(counts.get("voluntary_ctxt_switches", 0)),
        int(counts.get("nonvoluntary_ctxt_switches", 0)),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
