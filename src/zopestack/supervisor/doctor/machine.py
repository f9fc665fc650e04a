"""Checks of what the machine has, against what the stack needs."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import psutil

from zopestack.supervisor import clocks
from zopestack.supervisor.doctor.finding import Finding, Severity, check
from zopestack.supervisor.doctor.look import Look

#: Of the open files that a process may have, and of a file system: the share in use that is
#: nearly all of it.
NEARLY = 0.9

#: Instances for a core that share it while they wait for a database or another server.
PER_CORE = 4

#: Time before the last fixes of a branch of HAProxy in which to plan for another one.
AHEAD = timedelta(days=180)

#: How HAProxy's ``-v`` says when that is.
UNTIL = re.compile(r"stop receiving fixes around Q([1-4]) (\d{4})")

MONTHS = 3


@check
def open_files(look: Look) -> Iterator[Finding]:
    """Processes that have nearly all the open files that they may have."""
    for name, pids in look.pids.items():
        for pid in pids:
            with suppress(psutil.Error, OSError):
                used = psutil.Process(pid).num_fds()
                limit, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
                if used > NEARLY * limit:
                    yield Finding(
                        Severity.WARNING,
                        f"{name} (pid {pid}) has {used} files and connections open, of {limit}",
                        "a higher ulimit -n where supervisord is started (LimitNOFILE in systemd)",
                    )


@check
def memory(look: Look) -> Iterator[Finding]:
    """A machine with less memory left than one instance takes, or one that swaps the stack."""
    instances = {each.name: look.memory.get(each.name, 0) for each in look.stack.instances}
    largest = max(instances, key=lambda name: instances[name], default="")
    if largest and look.available < instances[largest]:
        yield Finding(
            Severity.WARNING,
            f"{look.available >> 20} MB of memory are left, less than the "
            f"{instances[largest] >> 20} MB of {largest}",
            "fewer instances, share-memory = on, a smaller zodb-cache-size, or more memory",
        )
    swapped = {name: sum(map(_swapped, pids)) for name, pids in look.pids.items()}
    total = sum(swapped.values())
    if total > (1 - NEARLY) * sum(look.memory.values()):
        most = max(swapped, key=lambda name: swapped[name])
        yield Finding(
            Severity.WARNING,
            f"{total >> 20} MB of the stack are in swap, {swapped[most] >> 20} MB of {most}",
            "fewer instances, share-memory = on, or more memory",
        )


@check
def cores(look: Look) -> Iterator[Finding]:
    """Far more instances than cores."""
    count = len(look.stack.balanced_here)
    if count > PER_CORE * look.cores:
        yield Finding(
            Severity.ADVICE,
            f"{count} instances share {look.cores} cores",
            f"instances = {look.cores} to {PER_CORE * look.cores}",
        )


@check
def clock(look: Look) -> Iterator[Finding]:
    """A clock that nothing keeps right: ZODB orders transactions by time."""
    if not look.clock_kept:
        yield Finding(
            Severity.ADVICE,
            "nothing keeps this machine's clock right",
            "chrony or systemd-timesyncd; on a virtual machine perhaps the host does it",
        )


@check
def clocks_of_hosts(look: Look) -> Iterator[Finding]:
    """Hosts whose clocks differ."""
    if ahead := look.clocks_ahead:
        yield Finding(
            Severity.ERROR,
            f"the clocks differ: {clocks.described(ahead)}",
            "chrony or systemd-timesyncd on every host",
        )


@check
def disks(look: Look) -> Iterator[Finding]:
    """Disks without room for the logs, a pack, or another backup."""
    stack = look.stack
    paths = (stack.backups.backup_directory, stack.logs, stack.var)
    for disk, path in {look.disk(path): path for path in paths}.items():
        if disk.free < (1 - NEARLY) * disk.total:
            yield Finding(
                Severity.ERROR if disk.free < (1 - NEARLY) ** 2 * disk.total else Severity.WARNING,
                f"{disk.free >> 20} MB of {disk.total >> 20} MB are free on the disk of {path}",
                "delete something, for example with pack = weekly keep 7d, or move it",
            )
    for each in stack.filestorages:
        size = _size(each.path)
        # A pack writes a new file beside the old one.
        if look.disk(each.path.parent).free < size:
            yield Finding(
                Severity.WARNING,
                f"{each.path} has {size >> 20} MB, and its disk has no room for the second one "
                "that a pack writes",
                "make room before the next pack",
            )


@check
def haproxy(look: Look) -> Iterator[Finding]:
    """A HAProxy whose branch gets no fixes any more, or soon will not."""
    if not look.stack.balances:
        return
    status, program = look.haproxy_status, look.stack.balancer.executable
    found = UNTIL.search(status)
    if not found:
        if "end of life" in status.lower() or "unmaintained" in status.lower():
            yield Finding(Severity.WARNING, f"{program}: {status}", "install another HAProxy")
        return
    # The first day after the quarter.
    months = int(found[1]) * MONTHS
    end = date(int(found[2]) + months // 12, months % 12 + 1, 1)
    if end - AHEAD < date.today():
        over = end < date.today()
        yield Finding(
            Severity.WARNING if over else Severity.ADVICE,
            f"{program}: {status}",
            "install another HAProxy",
        )


def _swapped(pid: int) -> int:
    """Bytes of a process in swap (proc(5), ``VmSwap``)."""
    with suppress(OSError):
        found = re.search(
            r"^VmSwap:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE
        )
        return int(found[1]) << 10 if found else 0
    return 0


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
