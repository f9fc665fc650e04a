"""``supervisorctl threads``: what every thread of an instance does now.

The agent tells it. Where an extension keeps the interpreter lock, for example in an endless match
of a regular expression, no Python code runs, the agent's neither. Then a signal has the interpreter
itself write every stack to a file (``zopestack.agent.stacks``).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from zopestack import STACKS_SIGNAL
from zopestack.features.instances import Instance
from zopestack.model import Stack
from zopestack.probe import probe
from zopestack.supervisor import group
from zopestack.supervisor.client import IDLE, Supervisor
from zopestack.supervisor.stopped import Stopped
from zopestack.wait import until

#: Timeout in seconds; an agent answers from a thread of its own within milliseconds, and the
#: interpreter between two instructions.
TIMEOUT = 5.0


def threads(stack: Stack, supervisor: Supervisor, instance: Instance) -> str:
    """Return the stack of every thread, as text.

    :raises Stopped: if the instance does not run, or does not even answer a signal.
    """
    pids = running(supervisor, instance)
    try:
        answer = probe(instance.agent, "/stacks", timeout=TIMEOUT)
        if answer.status == 200:
            return answer.body.decode(errors="replace").rstrip()
    # Nothing answers; neither does an agent of an older zopestack know the question.
    except OSError:
        pass
    return _from_outside(stack.stacks(instance), instance, pids)


def running(supervisor: Supervisor, instance: Instance) -> tuple[int, ...]:
    """Return the processes of an instance, the one that is Zope last.

    :raises Stopped: if it does not run.
    """
    process = supervisor.processes().get(instance.name)
    if process is None or process.state in IDLE:
        raise Stopped(f"{instance.name} is not running. See `status {instance.name}`.")
    return group.members(process.pid)


def _from_outside(file: Path, instance: Instance, pids: tuple[int, ...]) -> str:
    with suppress(FileNotFoundError):
        os.truncate(file, 0)
    for pid in pids:
        # What stands for a fork ignores it.
        with suppress(ProcessLookupError):
            os.kill(pid, STACKS_SIGNAL)
    written = _Growth(file)
    if not until(written.ended, TIMEOUT):
        raise Stopped(
            f"{instance.name}: pid {pids[-1]} does not answer, not even a signal: it is still "
            "starting, was stopped (SIGSTOP), or waits for a disk"
        )
    return (
        "The agent does not answer: an extension keeps the interpreter lock.\n"
        + file.read_text(encoding="utf-8", errors="replace").rstrip()
    )


class _Growth:
    """Whether a file has been written to, and is not being written to any more."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.size = 0

    def ended(self) -> bool:
        before, self.size = self.size, self.file.stat().st_size if self.file.exists() else 0
        return 0 < before == self.size
