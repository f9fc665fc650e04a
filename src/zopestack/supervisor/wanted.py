"""The programs that are to run, which are not all that supervisord knows."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable, Mapping
from contextlib import suppress

from zopestack.features.memory import LOADERS
from zopestack.model import Stack
from zopestack.render.own_programs import own_programs
from zopestack.render.programs import programs
from zopestack.supervisor.client import IDLE, Process, Supervisor
from zopestack.wait import until

#: Seconds until supervisord regards a program as started, or as one that does not start: longer
#: than any of the stack has to run for that (``startsecs``).
STARTED = 30.0


def wanted(stack: Stack, processes: Mapping[str, Process]) -> list[str]:
    """Those that start with the stack, in order; of the loaders the one that runs, if one does.

    :param processes: all that supervisord knows, by name.
    """
    loads = {name for name in LOADERS if _runs(processes, name)}
    return [
        each.namespec
        for each in programs(stack, {})
        if each.namespec in processes
        and (each.name in loads if loads and each.name in LOADERS else each.autostart)
    ]


def ended(stack: Stack, processes: Mapping[str, Process]) -> set[str]:
    """The user's own programs that have ended as they are to, such as one that sets up something.

    :param processes: all that supervisord knows, by name.
    """
    return {
        each.namespec
        for each in own_programs(stack, {})
        if each.namespec in processes
        and processes[each.namespec].state == "EXITED"
        and processes[each.namespec].exitstatus in each.exitcodes
    }


def beside(stack: Stack, processes: Mapping[str, Process]) -> list[str]:
    """Those that run although they do not start with the stack."""
    names = wanted(stack, processes)
    return [name for name in processes if _runs(processes, name) and name not in names]


def start(stack: Stack, supervisor: Supervisor, say: Callable[[str], None]) -> bool:
    """Start what is to run and does not, as supervisor's ``start all`` does; whether all did."""
    processes = supervisor.processes()
    names = [name for name in wanted(stack, processes) if not _runs(processes, name)]
    for name in names:
        # What waits for its next try.
        with suppress(xmlrpc.client.Fault):
            supervisor.rpc.stopProcess(name)
        with suppress(xmlrpc.client.Fault):
            supervisor.start(name)
    started = [_started(stack, supervisor, name, say) for name in names]
    return all(started)


def _started(stack: Stack, supervisor: Supervisor, name: str, say: Callable[[str], None]) -> bool:
    def state() -> str:
        return supervisor.processes()[name].state

    longest = max((each.startsecs for each in stack.own.all), default=0)
    until(lambda: state() != "STARTING", STARTED + longest)
    started = state() == "RUNNING" or name in ended(stack, supervisor.processes())
    say(f"{name}: started" if started else f"{name}: ERROR (does not start; see `tail {name}`)")
    return started


def _runs(processes: Mapping[str, Process], name: str) -> bool:
    return name in processes and processes[name].state not in IDLE
