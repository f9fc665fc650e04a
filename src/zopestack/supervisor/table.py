"""The whole stack in one table, from what supervisord, the agents and HAProxy report."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil

from zopestack.columns import columns
from zopestack.features.instances import LANES
from zopestack.haproxy.runtime import Runtime, Server
from zopestack.model import Stack
from zopestack.supervisor.client import ANSWER, Process, Supervisor
from zopestack.supervisor.health import Report, ask

HEADINGS = (
    "instance",
    "state",
    "pid",
    "uptime",
    "memory",
    "busy/threads",
    "in flight",
    "queue",
    "requests",
    "switch",
    "last check",
)


def table(stack: Stack) -> str:
    """Return the table as text, with one line for each instance.

    :raises OSError: if supervisord does not answer.
    """
    processes = Supervisor(stack.supervisor_socket, ANSWER).processes()
    try:
        servers = Runtime(stack.haproxy_socket).servers(*LANES)
    except OSError:
        servers = {}
    rows: list[tuple[str, ...]] = [HEADINGS]
    for instance in stack.instances:
        rows.append(
            tuple(
                _cells(
                    instance.name,
                    processes.get(instance.name),
                    ask(instance),
                    servers.get(instance.name),
                )
            )
        )
    return "\n".join(columns(rows))


def _cells(
    name: str, process: Process | None, report: Report | None, server: Server | None
) -> Iterator[str]:
    yield name
    if process is None:
        yield from ("unknown, run update", *["-"] * (len(HEADINGS) - 2))
        return
    yield report.why if report and process.state == "RUNNING" else process.state.lower()
    yield str(process.pid) if process.pid else "-"
    yield _duration(time.time() - process.started) if process.pid else "-"
    yield _memory(process.pid) if process.pid else "-"
    if report:
        yield f"{report.busy}/{report.threads}"
        yield from (str(report.in_flight), str(report.queue), str(report.requests))
        yield f"{1000 * report.switch_interval:g} ms"
    else:
        yield from ["-"] * 5
    yield f"{server.check} {server.status}" if server else "-"


def _memory(pid: int) -> str:
    """Return a process's share of memory (PSS, which divides shared pages among processes)."""
    try:
        return f"{psutil.Process(pid).memory_full_info().pss / 1024 / 1024:.0f} MB"
    except psutil.Error:
        return "-"


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
