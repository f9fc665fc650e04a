"""What ran and served before a command, to be put back when the command is interrupted.

It is in a file meanwhile: after a command that was killed, the next one puts back.
"""

from __future__ import annotations

import json
import xmlrpc.client
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from zopestack import files
from zopestack.model import Stack
from zopestack.namespec import group_of
from zopestack.supervisor.client import ANSWER, Supervisor
from zopestack.supervisor.health import ask
from zopestack.supervisor.loaders import Loaders
from zopestack.supervisor.stopped import Stopped
from zopestack.wait import until

#: supervisord's states of a program that runs, or is about to.
RUNS = ("RUNNING", "STARTING", "BACKOFF")


@dataclass(frozen=True)
class Before:
    """The stack at one moment.

    :param command: what is about to be done.
    :param running: the programs that ran.
    :param drained: the instances that were drained by hand.
    """

    stack: Stack
    command: str
    running: tuple[str, ...]
    drained: frozenset[str]

    @classmethod
    def look(cls, stack: Stack, command: str) -> Before:
        """The stack now.

        :raises OSError: if supervisord does not answer.
        """
        processes = Supervisor(stack.supervisor_socket, ANSWER).processes()
        return cls(
            stack,
            command,
            tuple(name for name, process in processes.items() if process.state in RUNS),
            frozenset(each.name for each in stack.instances if stack.drained(each).exists()),
        )

    @classmethod
    def left(cls, stack: Stack) -> Before | None:
        """The stack before a command that is not over yet; None where there is none."""
        try:
            told = json.loads(stack.begun.read_text(encoding="utf-8"))
            return cls(stack, told["command"], tuple(told["running"]), frozenset(told["drained"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self) -> None:
        """Remember it until :meth:`forget`.

        :raises OSError: where it cannot be written.
        """
        told = {
            "command": self.command,
            "running": self.running,
            "drained": sorted(self.drained),
        }
        files.write(self.stack.begun, json.dumps(told), mode=0o600)

    def forget(self) -> None:
        """The command is over."""
        self.stack.begun.unlink(missing_ok=True)

    def put_back(self, say: Callable[[str], None]) -> None:
        """Start again what ran then and does not now, and end the drains that were begun since.

        :raises OSError: if supervisord does not answer.
        """
        # A client of its own: the interrupted one may be in the midst of an answer.
        supervisor = Supervisor(self.stack.supervisor_socket, ANSWER)
        for name in self.running:
            self._start(supervisor, name, say)
        for instance in self.stack.instances:
            # One that does not answer has no handler for the signal yet, and would die of it.
            if instance.name not in self.drained and ask(instance):
                with suppress(xmlrpc.client.Fault):
                    supervisor.rpc.signalProcess(instance.name, "USR2")
        # A roll that was killed has left two.
        with suppress(Stopped):
            Loaders(self.stack, supervisor, say).tidy()

    def _start(self, supervisor: Supervisor, name: str, say: Callable[[str], None]) -> None:
        def state() -> str:
            process = supervisor.processes().get(name)
            return process.state if process else "REMOVED"

        if state() in RUNS:
            return
        say(f"{name}: starting again")
        until(lambda: state() != "STOPPING", self.stack.longest_stop + 5)
        with suppress(xmlrpc.client.Fault):
            if state() == "REMOVED":
                supervisor.rpc.addProcessGroup(group_of(name))
            else:
                supervisor.start(name)
