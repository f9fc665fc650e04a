"""Wait for a condition, not for a time."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable

from zopestack.address import Address

#: Seconds between two looks.
INTERVAL = 0.02


class TooLate(Exception):
    """The condition did not come true in time."""


def until(condition: Callable[[], bool], timeout: float) -> None:
    """Return as soon as the condition is true.

    :param timeout: seconds.
    :raises TooLate: where it does not come true.
    """
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TooLate(f"not within {timeout:.0f} s")
        time.sleep(INTERVAL)


def answers(address: Address) -> bool:
    """Whether there is an answer to a request, whichever."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
