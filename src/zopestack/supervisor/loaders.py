"""Load changed code in a second loader, beside the one that instances are forked from.

Until it has loaded, and where it cannot, nothing changes: the first one gives forks of the code
that serves, to an instance that is restarted meanwhile, too. Where no code has changed since the
first one loaded it, forks of that have what a second one would load.
"""

from __future__ import annotations

import json
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from zopestack import contents, files
from zopestack.features.instances import Instance
from zopestack.features.memory import LOADERS
from zopestack.model import Stack
from zopestack.supervisor.client import IDLE, Process, Supervisor
from zopestack.supervisor.stopped import Stopped
from zopestack.wait import until

#: Timeout in seconds for a loader to stop: longer than the 10 s after which supervisord kills it.
STOP = 15

#: A program that supervisord does not know.
UNKNOWN = Process("", "STOPPED", 0, 0, "")


class Loaders:
    """The loaders of one stack.

    :param say: called with each line of progress.
    :ivar before: the one that gave forks before :meth:`load_beside`; empty without that.
    """

    def __init__(self, stack: Stack, supervisor: Supervisor, say: Callable[[str], None]) -> None:
        self.stack = stack
        self.supervisor = supervisor
        self.say = say
        self.before = ""

    def concern(self, instances: Iterable[Instance]) -> bool:
        """Whether these are all that is forked, from a loader that runs.

        One that an operator has stopped stays so.
        """
        every = [each for each in self.stack.instances if each.autostart]
        forks = {each.name for each in every if self.stack.forked(each)}
        whole = forks and forks <= {each.name for each in instances}
        return bool(whole and self._process(self.giving()).state not in IDLE)

    def changed(self) -> bool:
        """Whether code has changed since the loader that gives forks has loaded it, or may have."""
        name = self.giving()
        try:
            noted = json.loads(_beside(self.stack, name, ".code").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return True
        now = (contents.state(Path(place)) == state for place, state in noted.items())
        if not all(now):
            return True
        self.say(f"{name}: code has not changed since it was loaded")
        return False

    def giving(self) -> str:
        """The name of the loader that gives forks, or of the first."""
        with suppress(OSError):
            return self.stack.forks_socket.readlink().stem
        return LOADERS[0]

    def load_beside(self) -> None:
        """Load Zope in the other loader, and wait until instances are forked from that.

        :raises Stopped: where it does not load.
        """
        began = time.monotonic()
        before = self.giving()
        other = next(each for each in LOADERS if each != before)
        self._stop(other)
        _refusal(self.stack, other).unlink(missing_ok=True)
        self.before = before
        self.say(f"{other}: loads Zope anew")
        self.supervisor.start(other)
        first = self._process(other).pid

        def loaded() -> bool:
            process = self._process(other)
            if process.state not in ("RUNNING", "STARTING") or process.pid != first:
                raise Stopped(
                    f"{other} cannot load Zope, so nothing was changed. See `tail {other}`."
                )
            return self.giving() == other or _refusal(self.stack, other).exists()

        if not until(loaded, self.stack.timings.start):
            raise Stopped(f"{other} does not load Zope in time, so nothing was changed.")
        self._give(other)
        if why := refusal(self.stack):
            self.say(f"{other}: instances start alone: {why}")
        self.say(f"{other}: loaded ({time.monotonic() - began:.1f} s)")

    def undo(self) -> bool:
        """Have instances come of the loader before again; whether there is one."""
        before, self.before = self.before, ""
        if before:
            self._give(before)
            self.tidy()
        return bool(before)

    def settle(self) -> None:
        """Every instance is a fork of the new loader, or never will be: the one before ends."""
        if self.before:
            self.tidy()

    def tidy(self) -> None:
        """Stop the loader that gives no forks, if another one does.

        :raises Stopped: where it does not stop.
        """
        giving = self.giving()
        if self._process(giving).state not in IDLE:
            for name in LOADERS:
                if name != giving:
                    self._stop(name)

    def _give(self, name: str) -> None:
        files.link(self.stack.forks_socket, Path(self.stack.loader_socket(name).name))

    def _stop(self, name: str) -> None:
        # supervisord may not know it yet.
        with suppress(xmlrpc.client.Fault):
            self.supervisor.stop(name)
        if not until(lambda: self._process(name).state in IDLE, STOP):
            raise Stopped(f"{name} does not stop; nothing further was changed")

    def _process(self, name: str) -> Process:
        return self.supervisor.processes().get(name, UNKNOWN)


def refusal(stack: Stack) -> str:
    """Why the loader that instances ask gives no forks; empty where it does."""
    with suppress(OSError):
        return _refusal(stack, stack.forks_socket.resolve().stem).read_text(encoding="utf-8")
    return ""


def _refusal(stack: Stack, loader: str) -> Path:
    """Where a loader says why it gives no forks; absent where it does."""
    return _beside(stack, loader, ".refusal")


def _beside(stack: Stack, loader: str, kind: str) -> Path:
    """A file that a loader writes beside its socket (``zopestack.loader``)."""
    socket = stack.loader_socket(loader)
    return socket.with_name(f"{socket.name}{kind}")
