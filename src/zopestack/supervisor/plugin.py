"""The supervisorctl plugin (supervisor's manual, ``[ctlplugin:x]``)."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any, NoReturn

from supervisor.supervisorctl import ControllerPluginBase, LSBInitExitStatuses

from zopestack import stack_file
from zopestack.model import Stack
from zopestack.supervisor import hosts, logs
from zopestack.supervisor.applied import RELOAD, confirm, wait_reloaded
from zopestack.supervisor.door import Door
from zopestack.supervisor.help import HELP
from zopestack.supervisor.overview import overview
from zopestack.supervisor.profile import profile
from zopestack.supervisor.readiness import NotReady
from zopestack.supervisor.rotation import Rotation
from zopestack.supervisor.standin import HAPROXY, NoStandIn, standing_in
from zopestack.supervisor.stopped import Stopped
from zopestack.supervisor.table import as_json, table
from zopestack.supervisor.threads import threads
from zopestack.supervisor.trace import trace
from zopestack.supervisor.update import update
from zopestack.supervisor.wanted import beside, start

#: Seconds.
LONGEST_PROFILE = 3600


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
        own.do_update = self.do_update
        own.help_update = partial(controller.output, HELP["update"])
        door.guard(own)
        door.guard(self)

    def do_start(self, arg: str) -> None:
        """Start programs; a reload of HAProxy is waited for."""
        if "all" in arg.split():
            self._run("start", self._start_all)
        else:
            self._start(arg)
        if _groups(arg) & {RELOAD, "all"}:
            self._run("start", self._wait_reloaded)

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
        """Restart instances, or servers of Volto, one at a time without losing a request."""
        parser = Parser("roll", add_help=False)
        parser.add_argument("names", nargs="*")
        parser.add_argument("--at-once", type=int, default=1, metavar="K")

        def run(stack: Stack, rotation: Rotation) -> None:
            words = parser.parse_args(shlex.split(arg))
            if words.at_once < 1:
                raise Usage(f"--at-once: expected a number of at least 1, got {words.at_once}")
            servers = rotation.volto.named(words.names)
            programs = {each.program for each in servers}
            instances = [name for name in words.names if name not in programs]
            if instances or not servers:
                rotation.roll(rotation.named(instances), words.at_once)
            rotation.volto.roll(servers)

        self._run("roll", run)

    def do_hosts(self, arg: str) -> None:
        """Run a command on every host."""
        parser = Parser("hosts", add_help=False)
        parser.add_argument("--from", dest="first", default="", metavar="HOST")
        parser.add_argument("command", nargs=argparse.REMAINDER)

        def run(stack: Stack, rotation: Rotation) -> None:
            words = parser.parse_args(shlex.split(arg))
            if not words.command:
                raise Usage("expected a command, such as roll")
            hosts.run(stack, words.command, words.first, self.ctl.output)

        self._run("hosts", run)

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
            if stack.balances and (not names or RELOAD in names):
                # A reload that failed before is tried again.
                confirm(stack)

        self._run("update", run)

    def do_stack(self, arg: str) -> None:
        """Show the whole stack in one table, as JSON, or again and again."""
        parser = Parser("stack", add_help=False)
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--json", action="store_true")
        how.add_argument("--watch", action="store_true")

        def run(stack: Stack, rotation: Rotation) -> None:
            words = parser.parse_args(shlex.split(arg))
            if words.watch:
                # Only this one draws, which takes a while to import.
                from zopestack.supervisor.watch import watch

                watch(stack, self.ctl.output)
            elif words.json:
                self.ctl.output(as_json(stack, overview(stack)))
            else:
                self.ctl.output(table(stack, overview(stack)))

        self._run("stack", run)

    def do_threads(self, arg: str) -> None:
        """Show what the threads of instances do."""

        def run(stack: Stack, rotation: Rotation) -> None:
            for instance in rotation.named(_names(arg)):
                told = threads(stack, rotation.supervisor, instance)
                self.ctl.output(f"{instance.name}:\n{indent(told, '  ')}")

        self._run("threads", run)

    def do_profile(self, arg: str) -> None:
        """Draw a flame graph of a running instance."""
        parser = Parser("profile", add_help=False)
        parser.add_argument("name")
        parser.add_argument("seconds", nargs="?", type=int, default=30)

        def run(stack: Stack, rotation: Rotation) -> None:
            words = parser.parse_args(shlex.split(arg))
            if not 1 <= words.seconds <= LONGEST_PROFILE:
                raise Usage(f"expected 1 to {LONGEST_PROFILE} seconds, got {words.seconds}")
            for instance in rotation.named([words.name]):
                self.ctl.output(f"{instance.name}: watching it for {words.seconds} s")
                picture = profile(stack, rotation.supervisor, instance, words.seconds)
                self.ctl.output(f"{instance.name}: {picture}")

        self._run("profile", run)

    def do_logs(self, arg: str) -> None:
        """Show every log as one."""
        parser = Parser("logs", add_help=False)
        parser.add_argument("-f", dest="follow", action="store_true")
        parser.add_argument("-n", dest="count", type=int, default=20, metavar="LINES")
        parser.add_argument("names", nargs="*")

        def run(stack: Stack, rotation: Rotation) -> None:
            words = parser.parse_args(shlex.split(arg))
            if words.count < 0:
                raise Usage(f"-n: expected a number of lines, got {words.count}")
            logs.check(stack.logs, words.names)
            # Ctrl-C is how following ends.
            with suppress(KeyboardInterrupt):
                logs.show(stack.logs, words.names, words.count, words.follow, self.ctl.output)

        self._run("logs", run)

    def do_trace(self, arg: str) -> None:
        """Show what the logs have of one request."""
        parser = Parser("trace", add_help=False)
        parser.add_argument("number")

        def run(stack: Stack, rotation: Rotation) -> None:
            self.ctl.output(trace(stack, parser.parse_args(shlex.split(arg)).number))

        self._run("trace", run)

    def do_doctor(self, arg: str) -> None:
        """Look for what is known to go wrong."""
        # No other command needs it, nor the parser of metrics that it imports.
        from zopestack.supervisor.doctor import run as doctor
        from zopestack.supervisor.doctor.look import Look

        parser = Parser("doctor", add_help=False)
        parser.add_argument("--releases", action="store_true")

        def run(stack: Stack, rotation: Rotation) -> None:
            words = parser.parse_args(shlex.split(arg))
            if words.releases:
                self.ctl.output("asking the index for newer releases; this takes a minute")
            found = doctor.findings(Look(stack), words.releases)
            self.ctl.output(doctor.report(found))
            self.ctl.exitstatus = doctor.status(found)

        self._run("doctor", run)

    def _wait_reloaded(self, stack: Stack, rotation: Rotation) -> None:
        if stack.balances:
            wait_reloaded(stack)

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


def _explaining(text: str) -> Callable[[Plugin], None]:
    def explain(plugin: Plugin) -> None:
        plugin.ctl.output(text)

    return explain


# supervisorctl finds help in methods.
for _name, _text in HELP.items():
    setattr(Plugin, f"help_{_name}", _explaining(_text))


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
