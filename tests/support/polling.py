"""Wait for a condition, never for a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from zopestack_bench import probe

Seen = TypeVar("Seen")

#: Seconds any one thing gets, several times what it takes on 2 busy cores.
PATIENCE = 200.0


def until(
    awaited: str,
    look: Callable[[], Seen],
    accept: Callable[[Seen], object] = bool,
    timeout: float = PATIENCE,
) -> Seen:
    """Look until what is seen is accepted (``zopestack_bench.probe``)."""
    return probe.until(awaited, look, accept, timeout)
