"""The stack as text: the instances in one table, the user's own programs in a second one, and a
line for each of the jobs that run at times of day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from zopestack.backups import jobs
from zopestack.columns import columns
from zopestack.model import Stack
from zopestack.supervisor.overview import InstanceRow, Overview, ProgramRow

#: Whose requests an instance serves; shown where there are groups.
GROUP = "group"

#: What an instance shares with no other; shown where they share memory.
PRIVATE = "private"

HEADINGS = (
    "instance",
    GROUP,
    "state",
    "pid",
    "uptime",
    "memory",
    PRIVATE,
    "busy/threads",
    "in flight",
    "queue",
    "requests",
    "switch",
    "last check",
)

#: Of the user's own programs.
OWN_HEADINGS = ("program", "state", "pid", "uptime", "memory", "cpu")


def table(stack: Stack, seen: Overview) -> str:
    """Return everything as text."""
    rows = [HEADINGS, *map(_cells, seen.instances)]
    optional = {GROUP: bool(stack.groups.names), PRIVATE: stack.memory.share_memory}
    shown = [number for number, name in enumerate(HEADINGS) if optional.get(name, True)]
    lines = columns([[row[number] for number in shown] for row in rows])
    if seen.programs:
        lines += ["", *columns([OWN_HEADINGS, *map(_own_cells, seen.programs)])]
    lines += _varnish(stack, seen)
    return "\n".join([*lines, *jobs.told(stack, datetime.now())])


def as_json(stack: Stack, seen: Overview) -> str:
    """Return everything as JSON, for a program: sizes in bytes, times in seconds, those of jobs
    since the epoch.
    """
    noted = {name: asdict(job) for name, job in jobs.load(stack).items()}
    return json.dumps({**asdict(seen), "jobs": noted}, indent=1)


def _varnish(stack: Stack, seen: Overview) -> Iterable[str]:
    told = seen.varnish
    if told:
        yield ""
        yield (
            f"varnish: {100 * told.share:.0f}% of {told.requests} requests answered by itself, "
            f"{megabytes(told.used)} of {megabytes(stack.varnish.varnish_memory)} used"
        )


def megabytes(size: int | None) -> str:
    """A number of bytes as MB."""
    return "-" if size is None else f"{size >> 20} MB"


def known(value: object) -> str:
    """A value as text, or that nobody knows it."""
    return "-" if value is None or value == "" else str(value)


def _cells(row: InstanceRow) -> tuple[str, ...]:
    switch = row.switch_interval
    return (
        row.name,
        known(row.group),
        row.state,
        *_running(row),
        megabytes(row.private),
        "-" if row.busy is None else f"{row.busy}/{row.threads}",
        *map(known, (row.in_flight, row.queue, row.requests)),
        "-" if switch is None else f"{1000 * switch:g} ms",
        known(row.check),
    )


def _own_cells(row: ProgramRow) -> tuple[str, ...]:
    cpu = "-" if row.cpu is None else f"{100 * row.cpu:.1f}%"
    return (row.name, row.state, *_running(row), cpu)


def _running(row: InstanceRow | ProgramRow) -> Iterable[str]:
    yield known(row.pid)
    yield "-" if row.uptime is None else duration(row.uptime)
    yield megabytes(row.memory)


def duration(seconds: float) -> str:
    """A span of time as hours, minutes and seconds."""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
