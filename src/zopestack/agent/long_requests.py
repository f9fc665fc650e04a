"""Log requests that take long: where they are while they run, and how long they took in all.

The method, the path, the user and the id of a request are logged. Its query string and its form are
not, because they hold passwords.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from textwrap import indent

from zopestack.agent import own_thread
from zopestack.agent.log_lines import INDENTATION, Lines
from zopestack.agent.meter import Meter, Running, age, described
from zopestack.agent.stacks import stack_of

logger = logging.getLogger("zopestack.agent")

#: Poll interval in seconds; small compared with any sensible ``long-request``.
POLL_INTERVAL = 1.0

#: The same while there is a long request, so that its end is noted well.
CLOSELY = 0.1


@dataclass
class Long:
    """A request that was logged.

    :param again: its age in seconds at which it is logged again.
    """

    request: Running
    again: float


class LongRequests:
    """Logs the long requests of one instance.

    :param after: seconds for which a request runs before it is logged; then again each time that
        its age has doubled.
    """

    def __init__(self, meter: Meter, after: float) -> None:
        self.meter = meter
        self.after = after
        #: By thread.
        self._long: dict[int, Long] = {}

    def start(self) -> None:
        """Watch in a thread of its own for as long as the process lives."""
        own_thread.start("long requests", self._watch)

    def look(self) -> None:
        """Log what has become long, or has ended, since the last look."""
        running = dict(self.meter.running)
        for thread, long in list(self._long.items()):
            if running.get(thread) is not long.request:
                logger.warning("long request has ended: %s", described(long.request))
                del self._long[thread]
        for thread, request in running.items():
            again = self._long[thread].again if thread in self._long else self.after
            if age(request) >= again:
                self._long[thread] = Long(request, 2 * again)
                logger.warning(
                    "long request: %s\n%s",
                    described(request),
                    Lines(indent(stack_of(thread), INDENTATION)),
                )

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(CLOSELY if self._long else POLL_INTERVAL):
            self.look()
