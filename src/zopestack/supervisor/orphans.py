"""Find and stop the processes that a stack's supervisord left behind when it died.

supervisord puts its own address and the program's name into the environment of every process
that it starts (its manual, "Subprocess Environment"). So the orphans of one stack can be
identified reliably, whatever else runs on the machine. Those that write over their environment
stand in a file (``zopestack.supervisor.started``).
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from zopestack.model import Stack
from zopestack.render.programs import INSTANCES, programs
from zopestack.supervisor import started


@dataclass(frozen=True)
class Orphan:
    """A process whose supervisord has died.

    :param program: the name of its program in supervisord.conf.
    """

    program: str
    process: psutil.Process


def find(stack: Stack) -> list[Orphan]:
    """Return every process that a supervisord of this stack has started.

    Call it only while no supervisord is running.
    """
    found = []
    url = environment(stack, "")["SUPERVISOR_SERVER_URL"]
    noted = started.read(stack.started)
    for process in psutil.process_iter():
        try:
            own = process.environ()
        except psutil.Error:
            own = {}
        if own.get("SUPERVISOR_SERVER_URL") == url:
            found.append(Orphan(own.get("SUPERVISOR_PROCESS_NAME", ""), process))
        elif process.pid in noted:
            found.append(Orphan(noted[process.pid], process))
    return found


def environment(stack: Stack, program: str) -> dict[str, str]:
    """What supervisord puts into the environment of a program."""
    return {
        "SUPERVISOR_SERVER_URL": f"unix://{stack.supervisor_socket}",
        "SUPERVISOR_PROCESS_NAME": program,
    }


def stop(stack: Stack, orphans: list[Orphan], say: Callable[[str], None]) -> None:
    """Stop orphans in supervisord's order: instances drain first, then zeo and whatever else has
    started before them, HAProxy and its log last.

    HAProxy stays until the end so that clients get an error page instead of a refused
    connection. A process that does not stop within ``stop_seconds`` is killed.
    """
    known = programs(stack, {})
    last = {each.name: 1 for each in known if each.priority < INSTANCES}
    last |= {"haproxy": 2, "access-log": 3}
    # HAProxy and ZEO ignore SIGTERM.
    numbers = {each.name: signal.Signals[f"SIG{each.stopsignal}"] for each in known}
    for step in range(4):
        group = [orphan for orphan in orphans if last.get(orphan.program, 0) == step]
        if not group:
            continue
        say(f"stopping {', '.join(sorted({orphan.program for orphan in group}))}")
        for orphan in group:
            _signal(orphan.process, numbers.get(orphan.program, signal.SIGTERM))
        processes = [orphan.process for orphan in group]
        left = psutil.wait_procs(processes, timeout=stack.longest_stop)[1]
        for process in left:
            _signal(process, signal.SIGKILL)
        psutil.wait_procs(left, timeout=stack.stop_seconds)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
