"""The supervisorctl plugin (supervisor's manual, ``[ctlplugin:x]``)."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any, NoReturn

from supervisor.supervisorctl import ControllerPluginBase, LSBInitExitStatuses

from zopestack import stack_file
from zopestack.model import Stack
from zopestack.supervisor.rotation import Rotation, Stopped
from zopestack.supervisor.table import table

HELP = {
    "roll": """\
roll [NAME ...|all] [--at-once K]
    Restart instances one at a time (or K), without losing a request: each is drained,
    stopped, started, warmed up and back in HAProxy's rotation before the next. The first
    failure ends it, exit status 1, with the other instances serving.
      roll                    every instance, one after the other
      roll instance2          one of them
      roll all --at-once 2    two at a time""",
    "drain": """\
drain NAME [NAME ...]
    Take instances out of rotation and wait until their running requests are done. They go
    on running; `ready` brings them back.""",
    "ready": """\
ready NAME [NAME ...]|all
    Bring drained instances back into rotation.""",
    "stack": """\
stack
    One table: instance, state, pid, uptime, memory, busy threads, requests in flight and
    queued, requests answered, Python's switch interval, and HAProxy's last check.""",
}


class Usage(Exception):
    """A command was typed in a way it cannot be understood."""


class Parser(argparse.ArgumentParser):
    """A parser that does not end supervisorctl."""

    def error(self, message: str) -> NoReturn:
        """Report instead of exiting."""
        raise Usage(message)


class Plugin(ControllerPluginBase):  # type: ignore[misc]
    """Adds roll, drain, ready and stack to supervisorctl."""

    def __init__(self, controller: Any, stack_file: str) -> None:
        super().__init__(controller)
        self.stack_file = Path(stack_file)

    def do_roll(self, arg: str) -> None:
        """Restart instances one at a time without losing a request."""
        parser = Parser("roll", add_help=False)
        parser.add_argument("names", nargs="*")
        parser.add_argument("--at-once", type=int, default=1, metavar="K")

        def run(stack: Stack, rotation: Rotation) -> None:
            words = parser.parse_args(shlex.split(arg))
            if words.at_once < 1:
                raise Usage("--at-once takes 1 or more")
            rotation.roll(rotation.named(words.names), words.at_once)

        self._run("roll", run)

    def do_drain(self, arg: str) -> None:
        """Take instances out of rotation."""

        def run(stack: Stack, rotation: Rotation) -> None:
            rotation.drain(rotation.named(_names(arg)))

        self._run("drain", run)

    def do_ready(self, arg: str) -> None:
        """Bring drained instances back."""

        def run(stack: Stack, rotation: Rotation) -> None:
            rotation.ready(rotation.named(_names(arg)))

        self._run("ready", run)

    def do_stack(self, arg: str) -> None:
        """Show the whole stack in one table."""
        self._run("stack", lambda stack, rotation: self.ctl.output(table(stack)))

    def help_roll(self) -> None:
        """Explain roll."""
        self.ctl.output(HELP["roll"])

    def help_drain(self) -> None:
        """Explain drain."""
        self.ctl.output(HELP["drain"])

    def help_ready(self) -> None:
        """Explain ready."""
        self.ctl.output(HELP["ready"])

    def help_stack(self) -> None:
        """Explain stack."""
        self.ctl.output(HELP["stack"])

    def _run(self, command: str, run: Any) -> None:
        try:
            stack = stack_file.load(self.stack_file)
            run(stack, Rotation(stack, self.ctl.output))
            return
        except Usage as why:
            self.ctl.output(f"{command}: {why}\n{HELP[command]}")
        except Stopped as why:
            self.ctl.output(f"{command}: {why}")
        except OSError as why:
            self.ctl.output(f"{command}: supervisord or {self.stack_file} cannot be reached: {why}")
        self.ctl.exitstatus = LSBInitExitStatuses.GENERIC


def make_plugin(controller: Any, stack_file: str) -> Plugin:
    """The ``supervisor.ctl_factory``."""
    return Plugin(controller, stack_file)


def _names(arg: str) -> list[str]:
    names = shlex.split(arg)
    if not names:
        raise Usage("name an instance")
    return names
