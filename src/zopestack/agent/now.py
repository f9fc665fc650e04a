"""What an instance does at this moment, for the status page of the stack.

Beside what ``/health`` tells, it names the requests that run, and adds up what was answered. Query
strings and forms are left out, because they hold passwords.
"""

from __future__ import annotations

from typing import Any

from zopestack.agent.health import Health
from zopestack.agent.meter import told

#: The first status of an error of the server (RFC 9110, 15.6).
SERVER_ERROR = "500"


def now(health: Health) -> dict[str, Any]:
    """Return the report of an instance, and beside it:

    - ``running``: its requests, the oldest first (:func:`zopestack.agent.meter.told`).
    - ``seconds``: of all requests since its start, upper bounds of the seconds that a thread has
      worked on one, each with how many took at most that; the last bound is "+Inf".
    - ``failed``: how many were answered with a status of 500 or above.
    """
    distributions = health.meter.threads.answered.distributions()
    bounds: dict[str, int] = {}
    failed = 0
    for (_, status), distribution in distributions.items():
        for bound, number in distribution.buckets:
            bounds[bound] = bounds.get(bound, 0) + int(number)
        if status >= SERVER_ERROR and status.isdigit():
            failed += int(distribution.buckets[-1][1])
    running = map(told, list(health.meter.running.values()))
    return {
        **health.report(),
        "running": sorted(running, key=lambda each: -each["seconds"]),
        "seconds": bounds,
        "failed": failed,
    }
