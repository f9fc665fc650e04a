"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two looks.
POLL_INTERVAL = 0.1


def until(condition: Callable[[], object], timeout: float, interval: float = POLL_INTERVAL) -> bool:
    """Poll a condition; return whether it came true in time.

    :param timeout: seconds.
    :param interval: seconds between two looks.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True
