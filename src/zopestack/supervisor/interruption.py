"""An operator who leaves: Ctrl-C, a terminal that is closed, an ssh session that is lost.

Each ends a command in the same way, as KeyboardInterrupt, so that the command can put back what
it was at.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: What ends a command from outside: Ctrl-C, the end of the session, ``kill``.
SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Raised where one of :data:`SIGNALS` arrives, or nobody reads what is said any more."""


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Raise :class:`Interrupted` in the block. What is ignored, as by nohup, stays ignored.

    The block gets a function to call at its end, which raises it if Python has dropped it: it does
    so where the signal arrives while an object is deleted (its manual, ``object.__del__``).
    """
    told: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        told.append(number)
        raise Interrupted

    def check() -> None:
        if told:
            raise Interrupted

    with _handled(interrupt, only=lambda before: before != signal.SIG_IGN):
        yield check


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let nothing interrupt the block, which puts back what an interruption has left."""
    with _handled(signal.SIG_IGN):
        yield


def heard(write: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that writes a line and raises :class:`Interrupted` where nobody reads it.

    Later lines go nowhere, so that putting back is not interrupted by its own words.
    """

    def say(line: str) -> None:
        try:
            write(line)
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Interrupted from None

    return say


@contextmanager
def _handled(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers,
    only: Callable[[object], bool] = lambda before: True,
) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    changed = [number for number in SIGNALS if only(before[number])]
    for number in changed:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, before[number])
