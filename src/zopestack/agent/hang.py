"""Tell a hung instance from a busy one, and log where it hangs."""

from __future__ import annotations

import logging
import threading
from textwrap import indent

from zopestack.agent import own_thread
from zopestack.agent.log_lines import INDENTATION, Lines
from zopestack.agent.meter import Meter
from zopestack.agent.stacks import tracebacks

logger = logging.getLogger("zopestack.agent")

#: Poll interval in seconds; small compared with any sensible ``hung-after``.
POLL_INTERVAL = 1.0


class HangWatch:
    """Detects that every worker thread is stuck in its request.

    :param threads: number of worker threads of the instance.
    :param hung_after: seconds after which a thread that is still in one request counts as stuck.
    """

    def __init__(self, meter: Meter, threads: int, hung_after: float) -> None:
        self.meter = meter
        self.threads = threads
        self.hung_after = hung_after

    def hung(self) -> bool:
        """Return whether every thread has been in its request for longer than ``hung_after``."""
        stuck = [seconds for seconds in self.meter.busy() if seconds > self.hung_after]
        return len(stuck) >= self.threads

    def start(self) -> None:
        """Watch in a thread of its own for as long as the process lives."""
        own_thread.start("hang watch", self._watch)

    def _watch(self) -> None:
        pause = threading.Event()
        reported = False
        while not pause.wait(POLL_INTERVAL):
            hung = self.hung()
            if hung and not reported:
                logger.error(
                    "hung: every thread has worked on its request for more than %g s: %s\n%s",
                    self.hung_after,
                    "; ".join(self.meter.described()),
                    Lines(indent(tracebacks(self.meter), INDENTATION)),
                )
            elif reported and not hung:
                logger.warning("no longer hung")
            reported = hung
