"""What supervisorctl calls a process: its name, or ``group:name`` where its group has another name.

The guard uses this, so it imports nothing.
"""

from __future__ import annotations


def namespec(group: str, name: str) -> str:
    """The one of a process; most are a group of their own."""
    return name if group in ("", name) else f"{group}:{name}"


def group_of(namespec: str) -> str:
    """The group of a process that is called so."""
    return namespec.partition(":")[0]


def name_of(namespec: str) -> str:
    """Its own name."""
    return namespec.rpartition(":")[2]
