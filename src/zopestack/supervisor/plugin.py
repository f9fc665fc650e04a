"""The supervisorctl plugin (supervisor's manual, ``[ctlplugin:x]``)."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any, NoReturn

from supervisor.supervisorctl import ControllerPluginBase, LSBInitExitStatuses

from zopestack import stack_file
from zopestack.model import Stack
from zopestack.supervisor.applied import RELOAD, confirm, wait_reloaded
from zopestack.supervisor.door import Door
from zopestack.supervisor.readiness import NotReady
from zopestack.supervisor.rotation import Rotation
from zopestack.supervisor.standin import HAPROXY, NoStandIn, standing_in
from zopestack.supervisor.stopped import Stopped
from zopestack.supervisor.table import table
from zopestack.supervisor.update import update
from zopestack.supervisor.wanted import beside, start

HELP = {
    "update": """\
update [NAME ...|all]
    Apply what bin/buildout has changed, of all programs or of these. Instances are restarted
    one at a time, each back in rotation before the next one is touched, and HAProxy is
    reloaded without dropping a connection. The first failure ends the command with exit
    status 1; the same command goes on from there once it is mended.""",
    "roll": """\
roll [NAME ...|all] [--at-once K]
    Restart instances one at a time (or K at a time) without losing a request. Each instance is
    drained, stopped, started, warmed up and back in rotation before the next one is touched. The
    name of a group of instances stands for them; never are all of several gone at once.
    The first failure ends the command with exit status 1; the other instances keep serving.
      roll                    every instance, one after the other
      roll instance2          only this one
      roll rest               those of the group rest
      roll all --at-once 2    every instance, two at a time""",
    "drain": """\
drain NAME [NAME ...]
    Take instances, or those of groups, out of rotation and wait until their running requests
    are done. The processes keep running; `ready` brings them back.""",
    "ready": """\
ready NAME [NAME ...]|all
    Bring drained instances back into rotation.""",
    "stack": """\
stack
    Show a table: instance, its group where there are groups, state, pid, uptime, memory, busy
    threads, requests in flight and queued, requests answered, Python's switch interval, and
    HAProxy's last health check. Then your own programs: state, pid, uptime, memory, and CPU since
    the start. Below: when the last backup and pack were, why one failed since, and when the next is
    due.""",
}


class Usage(Exception):
    """A command line that cannot be understood."""


class Parser(argparse.ArgumentParser):
    """An argument parser that does not exit supervisorctl."""

    def error(self, message: str) -> NoReturn:
        """Raise Usage instead of exiting."""
        raise Usage(message)


class Plugin(ControllerPluginBase):  # type: ignore[misc]
    """Adds roll, drain, ready and stack to supervisorctl, and has its restart and update lose no
    request.
    """

    def __init__(self, controller: Any, stack_file: str) -> None:
        super().__init__(controller)
        self.stack_file = Path(stack_file)
        door = Door(controller, self.stack_file)
        # supervisor's own commands come first where two have one name.
        own = controller.options.plugins[0]
        self._restart, own.do_restart = own.do_restart, self.do_restart
        # A restart is a stop and a start.
        self._start, own.do_start = own.do_start, self.do_start
        own.do_update, own.help_update = self.do_update, self.help_update
        door.guard(own)
        door.guard(self)

    def do_start(self, arg: str) -> None:
        """Start programs; a reload of HAProxy is waited for."""
        if "all" in arg.split():
            self._run("start", self._start_all)
        else:
            self._start(arg)
        if _groups(arg) & {RELOAD, "all"}:
            self._run("start", lambda stack, rotation: wait_reloaded(stack))

    def do_restart(self, arg: str) -> None:
        """Restart programs; HAProxy without closing its addresses."""
        if not _groups(arg) & {HAPROXY, "all"}:
            self._restart(arg)
            return

        def replace(stack: Stack, rotation: Rotation) -> None:
            ran = beside(stack, rotation.supervisor.processes())
            with standing_in(stack, self.ctl.output):
                self._restart(arg)
            if ran and "all" in arg.split():
                self._start(" ".join(ran))

        self._run("restart", replace)

    def do_roll(self, arg: str) -> None:
        """Restart instances one at a time without losing a request."""
        parser = Parser("roll", add_help=False)
        parser.add_argument("names", nargs="*")
        parser.add_argument("--at-once", type=int, default=1, metavar="K")

        def run(stack: Stack, rotation: Rotation) -> None:
            words = parser.parse_args(shlex.split(arg))
            if words.at_once < 1:
                raise Usage(f"--at-once: expected a number of at least 1, got {words.at_once}")
            rotation.roll(rotation.named(words.names), words.at_once)

        self._run("roll", run)

    def do_drain(self, arg: str) -> None:
        """Take instances out of rotation."""

        def run(stack: Stack, rotation: Rotation) -> None:
            rotation.drain(rotation.named(_names(arg)))

        self._run("drain", run)

    def do_ready(self, arg: str) -> None:
        """Bring drained instances back into rotation."""

        def run(stack: Stack, rotation: Rotation) -> None:
            rotation.ready(rotation.named(_names(arg)))

        self._run("ready", run)

    def do_update(self, arg: str) -> None:
        """Apply what bin/buildout has changed, and lose no request."""

        def run(stack: Stack, rotation: Rotation) -> None:
            words = shlex.split(arg)
            names = () if "all" in words else words
            update(rotation, names)
            if not names or RELOAD in names:
                # A reload that failed before is tried again.
                confirm(stack)

        self._run("update", run)

    def do_stack(self, arg: str) -> None:
        """Show the whole stack in one table."""
        self._run("stack", lambda stack, rotation: self.ctl.output(table(stack)))

    def help_roll(self) -> None:
        """Print the help of roll."""
        self.ctl.output(HELP["roll"])

    def help_drain(self) -> None:
        """Print the help of drain."""
        self.ctl.output(HELP["drain"])

    def help_ready(self) -> None:
        """Print the help of ready."""
        self.ctl.output(HELP["ready"])

    def help_update(self) -> None:
        """Print the help of update."""
        self.ctl.output(HELP["update"])

    def help_stack(self) -> None:
        """Print the help of stack."""
        self.ctl.output(HELP["stack"])

    def _start_all(self, stack: Stack, rotation: Rotation) -> None:
        if not start(stack, rotation.supervisor, self.ctl.output):
            self.ctl.exitstatus = LSBInitExitStatuses.GENERIC

    def _run(self, command: str, run: Any) -> None:
        try:
            stack = stack_file.load(self.stack_file)
            run(stack, Rotation(stack, self.ctl.output))
            return
        except Usage as why:
            self.ctl.output(f"{command}: {why}\n{HELP[command]}")
        except (Stopped, NoStandIn, NotReady) as why:
            self.ctl.output(f"{command}: {why}")
        except OSError as why:
            self.ctl.output(f"{command}: cannot reach supervisord or read {self.stack_file}: {why}")
        self.ctl.exitstatus = LSBInitExitStatuses.GENERIC


def make_plugin(controller: Any, stack_file: str) -> Plugin:
    """Make the plugin; this is the ``supervisor.ctl_factory``."""
    return Plugin(controller, stack_file)


def _groups(arg: str) -> set[str]:
    return {name.partition(":")[0] for name in arg.split()}


def _names(arg: str) -> list[str]:
    names = shlex.split(arg)
    if not names:
        raise Usage("expected the name of at least one instance")
    return names
