r"""A stop is a drain: the states of an instance, and the way from a signal to an exit.

    STARTING -> SERVING <-> DRAINING
                   \          |
                    +-> STOPPING -> exit

SIGTERM and SIGINT stop: health answers 404, the balancer gets the time to see it, what is
in flight finishes within the grace, then the main thread ends in order and Zope closes
its databases. A second signal, or the end of the grace, stops at once. SIGUSR1 drains
without stopping and SIGUSR2 ends that; `supervisorctl drain` and `ready` send them.
"""

from __future__ import annotations

import enum
import logging
import os
import signal
import threading
import time
from types import FrameType

from zopestack.agent.meter import Meter

logger = logging.getLogger("zopestack.agent")

#: Seconds between two looks at what is still in flight.
LOOK = 0.05


class State(enum.Enum):
    """What an instance says of itself."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    STOPPING = "stopping"


class Drain:
    """The state of one instance; every transition is a method.

    :param grace: seconds that requests get to finish.
    :param delay: seconds after which every balancer has seen a 404.
    """

    def __init__(self, meter: Meter, grace: float, delay: float) -> None:
        self.meter = meter
        self.grace = grace
        self.delay = delay
        self.state = State.STARTING
        #: When a balancer last asked for the instance's health (``time.monotonic``).
        self.last_check = float("-inf")
        self._lock = threading.RLock()
        self._hurry = threading.Event()
        self._finished = False

    def install(self) -> None:
        """Take over the signals; to be called from the main thread."""
        signal.signal(signal.SIGTERM, self._stop_signal)
        signal.signal(signal.SIGINT, self._stop_signal)
        signal.signal(signal.SIGUSR1, lambda *_: self.drain())
        signal.signal(signal.SIGUSR2, lambda *_: self.ready())

    def serve(self) -> None:
        """The instance can take requests."""
        self._move(State.STARTING, State.SERVING)

    def drain(self) -> None:
        """Take no new requests, until :meth:`ready`."""
        self._move(State.SERVING, State.DRAINING)

    def ready(self) -> None:
        """Take requests again."""
        self._move(State.DRAINING, State.SERVING)

    def _move(self, source: State, target: State) -> None:
        # Reentrant: a signal may interrupt the main thread inside another signal's handler.
        with self._lock:
            if self.state is source:
                self.state = target

    def _stop_signal(self, number: int, frame: FrameType | None) -> None:
        if self._finished:
            # The main thread leaves waitress's loop; Zope closes its databases on the way.
            raise SystemExit(0)
        with self._lock:
            again = self.state is State.STOPPING
            self.state = State.STOPPING
        if again:
            self._hurry.set()
            return
        threading.Thread(target=self._stop, args=(number,), name="drain", daemon=True).start()

    def _stop(self, number: int) -> None:
        name = signal.Signals(number).name
        logger.info("%s: draining, up to %g s", name, self.grace)
        began = time.monotonic()
        if began - self.last_check <= 2 * self.delay:
            # While nobody balances, nobody has to see it.
            self._hurry.wait(self.delay)
        while self.meter.in_flight() or self.meter.running:
            if self._hurry.is_set() or time.monotonic() - began > self.delay + self.grace:
                self._cut()
            self._hurry.wait(LOOK)
        logger.info("drained after %.1f s, stopping", time.monotonic() - began)
        self._finished = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _cut(self) -> None:
        why = (
            "a second signal" if self._hurry.is_set() else f"the grace of {self.grace:g} s is over"
        )
        logger.warning(
            "%s: stopping at once, %d request(s) cut: %s",
            why,
            max(self.meter.in_flight(), len(self.meter.running)),
            "; ".join(self.meter.described()) or "responses being sent",
        )
        logging.shutdown()
        # Threads inside requests cannot be ended, and an orderly exit would wait for them.
        os._exit(1)
