"""Wait for a condition, never for a time."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")

#: Seconds any one thing gets, several times what it takes on 2 busy cores.
PATIENCE = 200.0

#: Seconds between two looks.
INTERVAL = 0.1


def until(
    awaited: str,
    look: Callable[[], Seen],
    accept: Callable[[Seen], object] = bool,
    timeout: float = PATIENCE,
) -> Seen:
    """Look until what is seen is accepted; what was seen then.

    A refused or broken connection counts as something seen.

    :param awaited: for the message, such as ``"instance1 to be back"``.
    :raises AssertionError: after ``timeout`` seconds, with what was seen last.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            seen = last = look()
            if accept(seen):
                return seen
        except (OSError, http.client.HTTPException) as why:
            last = why
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s for {awaited}; last seen: {last!r}")
        time.sleep(INTERVAL)
