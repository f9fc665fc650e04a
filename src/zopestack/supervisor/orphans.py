"""Processes of a stack whose supervisord has died: found and stopped in order.

supervisord tells every process it starts where it can be reached and what the process is
called (its manual, "Subprocess Environment"), so the orphans of one stack are known for
certain, whatever else runs on the machine.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from zopestack.model import Stack


@dataclass(frozen=True)
class Orphan:
    """A process that lost its supervisord.

    :param program: what supervisord called it.
    """

    program: str
    process: psutil.Process


def find(stack: Stack) -> list[Orphan]:
    """Every process that a supervisord of this stack has started.

    Call it only while none runs.
    """
    found = []
    url = f"unix://{stack.supervisor_socket}"
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if environment.get("SUPERVISOR_SERVER_URL") == url:
            found.append(Orphan(environment.get("SUPERVISOR_PROCESS_NAME", ""), process))
    return found


def stop(stack: Stack, orphans: list[Orphan], say: Callable[[str], None]) -> None:
    """Stop them the way supervisord would: instances drain, then zeo, and HAProxy last.

    HAProxy stays until the end so that visitors see a page, not a refused connection.
    What has not ended in its time is killed.
    """
    last = {"zeo": 1, "haproxy": 2}
    for step in range(3):
        group = [orphan for orphan in orphans if last.get(orphan.program, 0) == step]
        if not group:
            continue
        say(f"stopping {', '.join(sorted({orphan.program for orphan in group}))}")
        for orphan in group:
            _signal(orphan.process, signal.SIGTERM)
        processes = [orphan.process for orphan in group]
        left = psutil.wait_procs(processes, timeout=stack.stop_seconds)[1]
        for process in left:
            _signal(process, signal.SIGKILL)
        psutil.wait_procs(left, timeout=stack.stop_seconds)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
