"""Whether the clocks of the hosts agree.

HAProxy tells an instance when it has received a request, by the clock of its own host. An instance
whose clock is ahead takes a request for older than it is: it counts a longer wait, and refuses one
that comes again from an instance that has died (``zopestack.agent.once``).
"""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.utils import parsedate_to_datetime

from zopestack import USER_AGENT
from zopestack.features.address import Address
from zopestack.model import Stack
from zopestack.supervisor.health import TIMEOUT

#: Seconds that clocks may differ: more than the whole second of the header ``Date`` and a slow
#: answer, and less than any request is given (``Stack.stuck_seconds``).
TOLERABLE = 5.0


def differing(stack: Stack) -> dict[str, float]:
    """The hosts whose clocks differ too much from that of this host, each with the seconds that it
    is ahead; of those whose agents answer.
    """
    first: dict[str, Address] = {}
    for each in stack.elsewhere if stack.hosts.several else ():
        first.setdefault(each.host, each.agent)
    with ThreadPoolExecutor(max(1, len(first))) as pool:
        ahead = dict(zip(first, pool.map(_ahead, first.values()), strict=True))
    return {host: seconds for host, seconds in ahead.items() if abs(seconds) > TOLERABLE}


def described(ahead: dict[str, float]) -> str:
    """The same in words."""
    return ", ".join(
        f"{host} is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} this host"
        for host, seconds in ahead.items()
    )


def _ahead(agent: Address) -> float:
    connection = http.client.HTTPConnection(agent.host, agent.port, timeout=TIMEOUT)
    with suppress(OSError, http.client.HTTPException, ValueError, TypeError):
        connection.request("GET", "/alive", headers={"User-Agent": USER_AGENT})
        told = parsedate_to_datetime(connection.getresponse().headers["Date"])
        # It has no fractions.
        return told.timestamp() + 0.5 - time.time()
    return 0.0
