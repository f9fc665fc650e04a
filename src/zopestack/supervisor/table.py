"""The instances in one table, from what supervisord, the agents and HAProxy report; the user's own
programs in a second one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime

import psutil

from zopestack.backups import jobs
from zopestack.columns import columns
from zopestack.features.instances import Instance
from zopestack.haproxy.runtime import Runtime, Server
from zopestack.model import Stack
from zopestack.render.own_programs import own_programs
from zopestack.supervisor import group
from zopestack.supervisor.client import ANSWER, Process, Supervisor
from zopestack.supervisor.health import Report, ask
from zopestack.supervisor.loaders import refusal

#: Whose requests an instance serves; shown where there are groups.
GROUP = "group"

#: What an instance shares with no other; shown where they share memory.
PRIVATE = "private"

#: The state of what supervisord has not been told of yet.
UNKNOWN = "unknown, run update"

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

#: Of the user's own programs. cpu is the share of one core since the start (ps(1), "pcpu").
OWN_HEADINGS = ("program", "state", "pid", "uptime", "memory", "cpu")


def table(stack: Stack) -> str:
    """Return the table as text, with one line for each instance; then the user's own programs, and
    one line for each of the jobs that run at times of day.

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
    if stack.own.all:
        own = (_own_cells(each.namespec, processes) for each in own_programs(stack, {}))
        lines += ["", *columns([OWN_HEADINGS, *own])]
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
        yield from (UNKNOWN, *["-"] * (len(HEADINGS) - 3))
        return
    # It may serve before supervisord regards it as started.
    if report and process.state in ("STARTING", "RUNNING"):
        yield "; ".join(filter(None, (report.why, _alone(stack, instance, process.pid))))
    else:
        yield process.state.lower()
    yield from _running(process)
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


def _running(process: Process) -> Iterator[str]:
    yield str(process.pid) if process.pid else "-"
    yield _duration(time.time() - process.started) if process.pid else "-"


def _own_cells(name: str, processes: Mapping[str, Process]) -> tuple[str, ...]:
    process = processes.get(name)
    if process is None:
        return (name, UNKNOWN, *["-"] * (len(OWN_HEADINGS) - 2))
    return (name, process.state.lower(), *_running(process), *_used(process))


def _used(process: Process) -> tuple[str, str]:
    """Memory and CPU of a program and of all that it has started, such as the workers of a shell
    script.
    """
    if not process.pid:
        return "-", "-"
    memory = cpu = 0.0
    with suppress(psutil.Error):
        first = psutil.Process(process.pid)
        for each in (first, *first.children(recursive=True)):
            with suppress(psutil.Error):
                memory += group.share(each.pid)
                # With those of its children that have ended.
                cpu += sum(each.cpu_times()[:4])
    seconds = max(1.0, time.time() - process.started)
    return f"{int(memory) >> 20} MB", f"{100 * cpu / seconds:.1f}%"


def _alone(stack: Stack, instance: Instance, pid: int) -> str:
    """Why an instance that runs shares no memory, where others do."""
    if not stack.memory.share_memory or len(group.members(pid)) > 1:
        return ""
    why = instance.alone or refusal(stack)
    return f"alone: {why or 'there was no loader when it started'}"


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
