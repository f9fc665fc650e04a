r"""The states of an instance, and the way from a stop signal to the exit: a stop is a drain.

    STARTING -> SERVING <-> DRAINING
                   \          |
                    +-> STOPPING -> exit

SIGTERM and SIGINT stop the instance: its health check answers 404, balancers get time to see
that, requests in flight may finish within the grace period, then the main thread exits normally
and Zope closes its databases. A second signal at least a second later, or the end of the grace
period, stops it at once.

While supervisord shuts down, the instance keeps serving until nothing is left to serve: HAProxy
stops first, and finishes what it has accepted, also what waits in its queue.

SIGUSR1 drains without stopping and SIGUSR2 ends that drain; `supervisorctl drain` and `ready`
send them. A file remembers such a drain, so that a restart, whatever its reason, does not end it.
"""

from __future__ import annotations

import enum
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

from zopestack.agent import cut, own_thread
from zopestack.agent.balancers import Balancers
from zopestack.agent.meter import Meter
from zopestack.agent.parent import Parent

logger = logging.getLogger("zopestack.agent")

#: Poll interval in seconds while requests are in flight.
POLL_INTERVAL = 0.05

#: Seconds in which a request arrives that a balancer had sent before it heard of the stop.
SENT = 0.1

#: Seconds in which further stop signals are the same one: a shutdown sends an instance two, its own
#: and supervisord's.
SAME = 1.0


class State(enum.Enum):
    """The state that an instance reports."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    STOPPING = "stopping"


class Drain:
    """The state of one instance. Each transition is a method.

    :param grace: seconds that requests in flight may take to finish.
    :param balancers: who is told of each change.
    :param mark: a file that is there while the instance is drained by hand; empty for none.
    """

    def __init__(self, meter: Meter, grace: float, balancers: Balancers, mark: str = "") -> None:
        self.meter = meter
        self.grace = grace
        self.balancers = balancers
        self.mark = Path(mark) if mark else None
        self.state = State.STARTING
        self.parent = Parent.read(os.environ)
        #: When the first stop signal came (``time.monotonic``).
        self._signalled = float("inf")
        #: Whether supervisord stops everything, so that a second signal is its own.
        self._ordered = False
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._hurry = threading.Event()
        self._finished = False

    def install(self) -> None:
        """Install the signal handlers. Call it from the main thread."""
        for number in self._actions:
            signal.signal(number, self._interrupt)
        # The main thread may be in a request, even in one that never returns to Python. Python
        # itself writes the signal's number there at once, in any case (signal.set_wakeup_fd).
        heard, self._told = socket.socketpair()
        self._told.setblocking(False)
        signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        own_thread.start("signals", lambda: self._listen(heard))

    @property
    def _actions(self) -> dict[int, Callable[[], object]]:
        return {
            signal.SIGTERM: partial(self._stop_signal, signal.SIGTERM),
            signal.SIGINT: partial(self._stop_signal, signal.SIGINT),
            signal.SIGUSR1: self.drain,
            signal.SIGUSR2: self.ready,
        }

    def _listen(self, heard: socket.socket) -> None:
        while numbers := heard.recv(64):
            for number in numbers:
                self._actions.get(number, lambda: None)()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._finished:
            # Leave waitress's loop in the main thread, so that Zope closes its databases.
            self.meter.threads.exit()

    def serve(self) -> None:
        """Start to accept requests, or go on with a drain from before a restart."""
        drained = self.mark and self.mark.exists()
        self._move(State.STARTING, State.DRAINING if drained else State.SERVING)

    def drain(self) -> None:
        """Accept no new requests until :meth:`ready` is called, also after a restart."""
        self._move(State.SERVING, State.DRAINING)
        if self.mark:
            # On a full disk the drain lasts until the next restart.
            with suppress(OSError):
                self.mark.parent.mkdir(parents=True, exist_ok=True)
                self.mark.touch()

    def ready(self) -> None:
        """Accept requests again."""
        if self.mark:
            with suppress(OSError):
                self.mark.unlink()
        self._move(State.DRAINING, State.SERVING)

    def _move(self, source: State, target: State) -> None:
        with self._lock:
            if self.state is not source:
                return
            self.state = target
        self._tell()

    def _tell(self) -> str:
        # One after the other, so that what is told last is what holds.
        with self._telling:
            return self.balancers.tell(self.state is State.SERVING)

    def _stop_signal(self, number: int) -> None:
        if self._finished:
            return
        now = time.monotonic()
        with self._lock:
            again = self._signalled < float("inf")
            self._signalled = min(self._signalled, now)
        if not again:
            own_thread.start("drain", lambda: self._stop(number))
        elif self._ordered:
            # HAProxy has gone, and it is this instance's turn.
            self.state = State.STOPPING
        elif now - self._signalled >= SAME:
            self._hurry.set()

    def _stop(self, number: int) -> None:
        began = self._signalled
        self._ordered = self.parent.shuts_down()
        name = signal.Signals(number).name
        logger.info("%s: draining, up to %g s", name, self.grace)
        if self._ordered:
            self._finish(began, quiet=self.balancers.unaware())
        else:
            self.state = State.STOPPING
            self._hurry.wait(self.balancers.unaware(self._tell()))
            self._finish(began, quiet=SENT)
        logger.info("drained after %.1f s, stopping", time.monotonic() - began)
        self._finished = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _finish(self, began: float, quiet: float) -> None:
        """Return when nothing has been in flight for some time.

        :param quiet: seconds, in which HAProxy sends what has waited in its queue.
        """
        busy = time.monotonic()
        while True:
            now = time.monotonic()
            if self.meter.in_flight() or self.meter.running:
                busy = now
                if self._hurry.is_set() or now - began > self.balancers.delay + self.grace:
                    self._cut()
            elif now - busy >= quiet:
                return
            self._hurry.wait(POLL_INTERVAL)

    def _cut(self) -> None:
        why = (
            "a second signal"
            if self._hurry.is_set()
            else f"the grace period of {self.grace:g} s is over"
        )
        logger.warning(
            "%s: stopping now, %d request(s) aborted: %s",
            why,
            max(self.meter.in_flight(), len(self.meter.running)),
            "; ".join(self.meter.described()) or "responses being sent",
        )
        cut.answer(self.meter)
        logging.shutdown()
        # Exit hard: threads inside requests cannot be stopped, and a normal exit waits for them.
        os._exit(1)
