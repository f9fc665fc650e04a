"""The processes that supervisord has started, in a file that outlives it.

Some programs write over their environment to change what ps(1) shows of them, as redis does: of
those it does not tell which supervisord they are of. supervisord uses this, so it imports little.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from zopestack import files


def write(path: Path, pids: Mapping[str, int]) -> None:
    """Note processes by the name of their program.

    :raises OSError: where that cannot be written.
    """
    told = {name: [pid, since(pid)] for name, pid in sorted(pids.items())}
    files.write(path, json.dumps(told) + "\n", mode=0o600)


def read(path: Path) -> dict[int, str]:
    """The programs of those that are still there, by pid; a pid alone may be another process's."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {pid: name for name, (pid, then) in told.items() if then and since(pid) == then}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def since(pid: int) -> int:
    """When a process has started, in clock ticks since boot (proc(5), ``stat``, 22); 0 if it has
    ended.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # What follows the name, which may hold anything, starts with the third field.
    return int(text.rpartition(")")[2].split()[22 - 3])
