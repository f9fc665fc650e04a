"""The processes of one program: what supervisord has started, and the fork that this stands for.

The client of a fork holds a pidfd of it, by which the kernel tells which process that is: also when
the instance does not answer, or its loader has died (proc(5), ``/proc/PID/fdinfo``).

The guard uses this, so it imports little.
"""

from __future__ import annotations

import os
from pathlib import Path

#: Kinds of memory in ``smaps_rollup`` (proc(5)): a process's share, and what it alone has.
SHARE, PRIVATE = ("Pss:",), ("Private_Clean:", "Private_Dirty:")


def members(pid: int) -> tuple[int, ...]:
    """A program's processes, the one that supervisord knows first."""
    return (pid, *_held(Path(f"/proc/{pid}/fdinfo")))


def _held(descriptors: Path) -> list[int]:
    found = []
    try:
        for descriptor in descriptors.iterdir():
            words = descriptor.read_text(encoding="ascii").split()
            # -1 for a process that has ended.
            if "Pid:" in words and (pid := int(words[words.index("Pid:") + 1])) > 0:
                found.append(pid)
    # It ends meanwhile, or is another user's.
    except OSError:
        pass
    return found


def resident(pid: int) -> int:
    """Bytes of memory that a program has in use; 0 where it has ended.

    Pages that forks share are divided among them: otherwise each would count the whole loader.
    """
    return _statm(pid) if len(members(pid)) == 1 else memory(pid)


def memory(pid: int) -> int:
    """Bytes of a program's share of memory (proc(5), ``smaps_rollup``, Pss)."""
    return sum(map(share, members(pid)))


def private(pid: int) -> int:
    """Bytes that only one program has; of a fork, what it no longer shares or never did."""
    return sizes(pid)[1]


def sizes(pid: int) -> tuple[int, int]:
    """:func:`memory` and :func:`private` of a program at one moment.

    The kernel looks at every page of a process to tell either, and tells both at once.
    """
    rollups = list(map(_rollup, members(pid)))
    return sum(_sum(each, *SHARE) for each in rollups), sum(
        _sum(each, *PRIVATE) for each in rollups
    )


def _statm(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def share(pid: int) -> int:
    """Bytes of one process's share of memory; 0 where it has ended."""
    return _sum(_rollup(pid), *SHARE)


def _rollup(pid: int) -> list[str]:
    """The words of a process's ``smaps_rollup`` (proc(5)); none where it has ended."""
    try:
        return Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").split()
    except OSError:
        return []


def _sum(words: list[str], *kinds: str) -> int:
    """Bytes of these kinds of memory."""
    return sum(int(words[words.index(kind) + 1]) for kind in kinds) << 10 if words else 0
