"""How a command of supervisorctl fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


class Stopped(Exception):
    """A command that ended early; it left the rest of the stack unchanged."""


def of_haproxy(ask: Callable[[], Answer]) -> Answer:
    """Return what HAProxy answers.

    :raises Stopped: if HAProxy does not answer.
    """
    try:
        return ask()
    except OSError:
        raise Stopped(
            "HAProxy does not answer, so nothing was changed. "
            "See `status haproxy` and `tail haproxy`."
        ) from None
