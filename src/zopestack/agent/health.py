"""One health question, one answer: may this instance be given requests?

200 means serving, 404 draining (HAProxy's ``http-check disable-on-404``), 503 not ready, hung,
or cut off from storage. A busy instance is healthy.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zopestack.agent import own_thread, storage, untrusted
from zopestack.agent.configuration import Configuration
from zopestack.agent.drain import Drain, State
from zopestack.agent.hang import HangWatch
from zopestack.agent.meter import Meter
from zopestack.agent.warm_up import WarmUp
from zopestack.figure import Figure, Values

REQUESTS = Figure(
    "request_seconds",
    "histogram",
    "Seconds that a thread worked on a request; `_count` is the number of requests. method is safe "
    "(GET, HEAD, OPTIONS) or unsafe; status is none where the client had gone.",
    ("method", "status"),
)
WAITS = Figure(
    "request_wait_seconds",
    "histogram",
    "Seconds from when HAProxy received a request with a safe method until a thread began with it.",
)

STATUS = Figure(
    "status", "gauge", "What /health answers: 200 serving, 404 draining, 503 not ready or hung."
)
IN_FLIGHT = Figure("in_flight", "gauge", "Requests arriving, waiting, running or being sent.")
BUSY = Figure("busy", "gauge", "Threads that are working on a request.")
THREADS = Figure("threads", "gauge", "Threads of the instance.")
QUEUE = Figure("queue", "gauge", "Requests that wait for a thread inside the instance.")
UPTIME = Figure("uptime", "gauge", "Seconds since the instance started.")
SWITCH_INTERVAL = Figure(
    "switch_interval",
    "gauge",
    "Seconds a thread may keep the interpreter lock while another one waits for it.",
)

#: Those that the report has, by the same names.
REPORTED = (STATUS, IN_FLIGHT, BUSY, THREADS, QUEUE, UPTIME, SWITCH_INTERVAL)


@dataclass(frozen=True)
class Health:
    """Everything an agent can report about its instance."""

    configuration: Configuration
    meter: Meter
    drain: Drain
    hang: HangWatch
    warm_up: WarmUp
    began: float

    def answer(self) -> tuple[int, str]:
        """Return the HTTP status and the reason as text."""
        state = self.drain.state
        if state in (State.DRAINING, State.STOPPING):
            return 404, "; ".join([state.value, *own_thread.failed.values()])
        if state is State.STARTING:
            return 503, own_thread.failed.get("warm-up") or self.warm_up.problem or state.value
        if gone := storage.unreachable():
            why = dict.fromkeys(filter(None, untrusted.reasons.values()))
            return 503, "; ".join([f"storage unreachable: {', '.join(gone)}", *why])
        if self.hang.hung():
            return 503, (
                "hung: every thread has worked on its request for more than "
                f"{self.hang.hung_after:g} s"
            )
        # It serves, but not with all that the agent does for it.
        return 200, "; ".join([state.value, *own_thread.failed.values()])

    def report(self) -> dict[str, Any]:
        """Return the body of the answer."""
        status, why = self.answer()
        busy = self.meter.busy()
        return {
            "instance": self.configuration.name,
            "status": status,
            "why": why,
            "seen": self.drain.balancers.seen(status),
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self.began, 1),
            "threads": self.configuration.threads,
            "busy": len(busy),
            "busy_seconds": [round(seconds, 3) for seconds in busy],
            "in_flight": max(self.meter.in_flight(), len(busy)),
            "queue": self.meter.queue(),
            "requests": self.meter.requests,
            # Round: Python stores whole microseconds.
            "switch_interval": round(sys.getswitchinterval(), 6),
        }

    def figures(self) -> Iterator[tuple[Figure, Values]]:
        """The numbers of the report, and the requests so far."""
        report = self.report()
        for figure in REPORTED:
            yield figure, {(): report[figure.name]}
        yield REQUESTS, self.meter.threads.answered.distributions()
        yield WAITS, self.meter.threads.waited.distributions()
