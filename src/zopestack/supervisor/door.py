"""The door that every command of supervisorctl goes through.

No command waits for a supervisord that does not answer. Those that start or stop something own
the stack meanwhile, so that they come one at a time; one that is interrupted puts back what it
was at. After one that is killed, the next one does so.
"""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from supervisor.supervisorctl import LSBInitExitStatuses, LSBStatusExitStatuses

from zopestack import stack_file
from zopestack.supervisor import daemon
from zopestack.supervisor.before import Before
from zopestack.supervisor.interruption import heard, interruptible, undisturbed
from zopestack.supervisor.owner import Owner, owned

#: Commands that start or stop something. They own the stack while they run.
OWNING = (
    *("add", "reload", "remove", "restart", "shutdown", "start", "stop", "update"),
    *("drain", "ready", "roll"),
)

#: Of these, those that are to leave what was running as it was. What has been asked to stop stops.
PUT_BACK = ("drain", "ready", "restart", "roll", "update")

#: Commands that say how the stack is.
TELLING = ("status", "stack")

#: Commands that ask supervisord nothing, or tell that it does not answer.
LOCAL = ("EOF", "doctor", "exit", "help", "logs", "open", "quit", "trace")

Command = Callable[[str], object]


class Door:
    """Guards the commands of one supervisorctl."""

    def __init__(self, controller: Any, stack: Path) -> None:
        self.ctl = controller
        self.stack_file = stack
        self.say = heard(controller.output)
        controller.output = self.say
        self._inside = False

    def guard(self, plugin: Any) -> None:
        """Have every command of a plugin go through the door."""
        for name in dir(plugin):
            command = name.removeprefix("do_")
            if name.startswith("do_") and command not in LOCAL:
                setattr(plugin, name, self._guarded(command, getattr(plugin, name)))

    def _guarded(self, command: str, run: Command) -> Command:
        def guarded(arg: str) -> object:
            # Commands call each other: restart is stop and start.
            if self._inside:
                return run(arg)
            self._inside = True
            try:
                return self._enter(command, run, arg)
            finally:
                self._inside = False

        guarded.__doc__ = run.__doc__
        return guarded

    def _enter(self, command: str, run: Command, arg: str) -> object:
        try:
            daemon.check(self._socket)
            if command in OWNING:
                return self._own(command, run, arg)
            done = run(arg)
            # A program reads JSON, and nothing else.
            if command in TELLING and "--json" not in arg:
                self._tell()
            return done
        except (daemon.Deaf, OSError) as why:
            self._fail(command, str(why))
        except xmlrpc.client.Fault as why:
            self._fail(command, f"supervisord refuses it: {why.faultString}")
        except KeyboardInterrupt:
            self._fail(command, "interrupted")
        return None

    def _own(self, command: str, run: Command, arg: str) -> object:
        stack = stack_file.load(self.stack_file)
        what = f"{command} {arg}".strip()
        with interruptible() as check, Owner(stack.lock, what, self.say):
            running = daemon.pid(self._socket)
            if left := Before.left(stack):
                if running and command != "shutdown":
                    self.say(f"{left.command}: was killed; putting back what it was at")
                    left.put_back(self.say)
                left.forget()
            before = Before.look(stack, what) if command in PUT_BACK and running else None
            if before:
                before.save()
            try:
                done = run(arg)
                check()
                return done
            except KeyboardInterrupt:
                if before:
                    with undisturbed():
                        self.say(f"{command}: interrupted; putting back what it was at")
                        before.put_back(self.say)
                raise
            finally:
                if before:
                    before.forget()

    def _tell(self) -> None:
        """Say what nobody has finished."""
        # Without the Stack, supervisord can still be asked.
        with suppress(OSError):
            stack = stack_file.load(self.stack_file)
            left = Before.left(stack)
            if left and not owned(stack.lock):
                self.say(f"{left.command}: was killed; scripts/up puts back what it was at")

    def _fail(self, command: str, why: str) -> None:
        self.say(f"{command}: {why}")
        statuses = LSBStatusExitStatuses if command == "status" else LSBInitExitStatuses
        self.ctl.exitstatus = statuses.UNKNOWN if command == "status" else statuses.GENERIC

    @property
    def _socket(self) -> Path:
        """Where this supervisorctl looks for supervisord; ``-s`` may name another."""
        return Path(self.ctl.options.serverurl.removeprefix("unix://"))
