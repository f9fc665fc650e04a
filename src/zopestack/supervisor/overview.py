"""What supervisord, the agents and HAProxy know of the stack, in one value."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from zopestack.features.instances import Instance
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.render.own_programs import own_programs
from zopestack.supervisor import group
from zopestack.supervisor.client import ANSWER, Process, Supervisor
from zopestack.supervisor.health import Report, ask
from zopestack.supervisor.loaders import refusal
from zopestack.varnish.statistics import Statistics, statistics

#: The state of what supervisord has not been told of yet.
UNKNOWN = "unknown, run update"


@dataclass(frozen=True)
class InstanceRow:
    """One instance; None stands for what nobody can say now.

    :param group: of instances; empty for none.
    :param state: supervisord's, or what the agent says of a process that runs.
    :param healthy: whether it serves.
    :param uptime: seconds.
    :param memory: bytes; what forks share is divided among them.
    :param private: bytes that it shares with no other.
    :param busy: threads that work on a request, of ``threads``.
    :param in_flight: requests that arrive, wait, run or are being sent.
    :param queue: of these, those that wait for a thread.
    :param requests: answered since its start.
    :param switch_interval: seconds.
    :param check: HAProxy's last check of it; empty for none.
    """

    name: str
    group: str
    state: str
    healthy: bool
    pid: int | None = None
    uptime: float | None = None
    memory: int | None = None
    private: int | None = None
    busy: int | None = None
    threads: int | None = None
    in_flight: int | None = None
    queue: int | None = None
    requests: int | None = None
    switch_interval: float | None = None
    check: str = ""


@dataclass(frozen=True)
class ProgramRow:
    """One program of the user's own, with all that it has started.

    :param uptime: seconds.
    :param memory: bytes.
    :param cpu: the share of one core since the start (ps(1), "pcpu").
    """

    name: str
    state: str
    pid: int | None = None
    uptime: float | None = None
    memory: int | None = None
    cpu: float | None = None


@dataclass(frozen=True)
class Overview:
    """The instances, and the user's own programs.

    :param varnish: what it has counted; None where it does not run.
    """

    instances: tuple[InstanceRow, ...]
    programs: tuple[ProgramRow, ...]
    varnish: Statistics | None = None


def overview(stack: Stack) -> Overview:
    """Look at everything once.

    :raises OSError: if supervisord does not answer.
    """
    processes = Supervisor(stack.supervisor_socket, ANSWER).processes()
    try:
        servers = Runtime(stack.haproxy_socket).servers()
    except OSError:
        servers = {}
    checks = {name: f"{server.check} {server.status}" for name, server in servers.items()}
    return Overview(
        tuple(
            row(stack, each, process, _asked(each, process), checks.get(each.server, ""))
            for each in stack.instances
            for process in (processes.get(each.name),)
        ),
        tuple(_program(each.namespec, processes) for each in own_programs(stack, {})),
        _varnish(stack),
    )


def _varnish(stack: Stack) -> Statistics | None:
    if stack.varnish.in_front:
        with suppress(OSError):
            return statistics(stack)
    return None


def row(
    stack: Stack, instance: Instance, process: Process | None, report: Report | None, check: str
) -> InstanceRow:
    """Put together what is known of one instance.

    :param report: the agent's; None where it has not answered.
    :param check: HAProxy's last check of it.
    """
    lane = next((lane.group for lane in stack.lanes if lane.name == instance.lane), "")
    if process is None:
        return InstanceRow(instance.name, lane, UNKNOWN, healthy=False)
    told = {} if report is None else _told(report)
    memory, private = group.sizes(process.pid) if process.pid else (None, None)
    # It may serve before supervisord regards it as started.
    if report and process.state in ("STARTING", "RUNNING"):
        state = "; ".join(filter(None, (report.why, _alone(stack, instance, process.pid))))
    else:
        state = process.state.lower()
        if process.state == "RUNNING":
            state += "; its agent does not answer"
    return InstanceRow(
        instance.name,
        lane,
        state,
        healthy=bool(report and report.healthy),
        pid=process.pid or None,
        uptime=_uptime(process),
        memory=memory,
        private=private,
        check=check,
        **told,
    )


def _asked(instance: Instance, process: Process | None) -> Report | None:
    return ask(instance) if process and process.pid else None


def _told(report: Report) -> dict[str, int]:
    names = ("busy", "threads", "in_flight", "queue", "requests", "switch_interval")
    return {name: getattr(report, name) for name in names}


def _uptime(process: Process) -> float | None:
    return time.time() - process.started if process.pid else None


def _program(name: str, processes: Mapping[str, Process]) -> ProgramRow:
    process = processes.get(name)
    if process is None:
        return ProgramRow(name, UNKNOWN)
    if not process.pid:
        return ProgramRow(name, process.state.lower())
    memory = cpu = 0.0
    with suppress(psutil.Error):
        first = psutil.Process(process.pid)
        for each in (first, *first.children(recursive=True)):
            with suppress(psutil.Error):
                memory += group.share(each.pid)
                # With those of its children that have ended.
                cpu += sum(each.cpu_times()[:4])
    uptime = _uptime(process) or 0
    return ProgramRow(
        name, process.state.lower(), process.pid, uptime, int(memory), cpu / max(1.0, uptime)
    )


def _alone(stack: Stack, instance: Instance, pid: int) -> str:
    """Why an instance that runs shares no memory, where others do."""
    if not stack.memory.share_memory or len(group.members(pid)) > 1:
        return ""
    why = instance.alone or refusal(stack)
    return f"alone: {why or 'there was no loader when it started'}"
