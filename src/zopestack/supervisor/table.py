"""The whole stack in one table, from what supervisord, the agents and HAProxy report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from zopestack.backups import jobs
from zopestack.columns import columns
from zopestack.features.instances import Instance
from zopestack.haproxy.runtime import Runtime, Server
from zopestack.model import Stack
from zopestack.supervisor import group
from zopestack.supervisor.client import ANSWER, Process, Supervisor
from zopestack.supervisor.health import Report, ask
from zopestack.supervisor.loaders import refusal

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


def table(stack: Stack) -> str:
    """Return the table as text, with one line for each instance, and below one for each of the
    jobs that run at times of day.

    :raises OSError: if supervisord does not answer.
    """
    processes = Supervisor(stack.supervisor_socket, ANSWER).processes()
    try:
        servers = Runtime(stack.haproxy_socket).servers()
    except OSError:
        servers = {}
    rows: list[tuple[str, ...]] = [HEADINGS]
    for instance in stack.instances:
        rows.append(
            tuple(
                _cells(
                    stack,
                    instance,
                    processes.get(instance.name),
                    ask(instance),
                    servers.get(instance.name),
                )
            )
        )
    optional = {GROUP: bool(stack.groups.names), PRIVATE: stack.memory.share_memory}
    shown = [number for number, name in enumerate(HEADINGS) if optional.get(name, True)]
    lines = columns([[row[number] for number in shown] for row in rows])
    return "\n".join([*lines, *jobs.told(stack, datetime.now())])


def _cells(
    stack: Stack,
    instance: Instance,
    process: Process | None,
    report: Report | None,
    server: Server | None,
) -> Iterator[str]:
    yield from (instance.name, _group(stack, instance))
    if process is None:
        yield from ("unknown, run update", *["-"] * (len(HEADINGS) - 3))
        return
    # It may serve before supervisord regards it as started.
    if report and process.state in ("STARTING", "RUNNING"):
        yield "; ".join(filter(None, (report.why, _alone(stack, instance, process.pid))))
    else:
        yield process.state.lower()
    yield str(process.pid) if process.pid else "-"
    yield _duration(time.time() - process.started) if process.pid else "-"
    for memory in (group.memory, group.private):
        yield f"{memory(process.pid) >> 20} MB" if process.pid else "-"
    if report:
        yield f"{report.busy}/{report.threads}"
        yield from (str(report.in_flight), str(report.queue), str(report.requests))
        yield f"{1000 * report.switch_interval:g} ms"
    else:
        yield from ["-"] * 5
    yield f"{server.check} {server.status}" if server else "-"


def _group(stack: Stack, instance: Instance) -> str:
    return next((lane.group for lane in stack.lanes if lane.name == instance.lane), "") or "-"


def _alone(stack: Stack, instance: Instance, pid: int) -> str:
    """Why an instance that runs shares no memory, where others do."""
    if not stack.memory.share_memory or len(group.members(pid)) > 1:
        return ""
    why = instance.alone or refusal(stack)
    return f"alone: {why or 'there was no loader when it started'}"


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
