"""What a command takes from a person, and says to one: progress, and one message at its end."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from zopestack.supervisor.interruption import interruptible
from zopestack_bench import Broken


def minutes(text: str) -> float:
    """An argument of argparse that is a number of minutes.

    :raises argparse.ArgumentTypeError: where it is none.
    """
    if not re.fullmatch(r"\d{1,4}(\.\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes such as 5 or 0.5")
    return float(text)


@contextmanager
def exits(stopped: str) -> Iterator[None]:
    """End with one message: where something is wrong, or on Ctrl-C, SIGTERM and SIGHUP, so that
    what was started is stopped."""
    try:
        with interruptible():
            yield
    except Broken as why:
        sys.exit(f"{why}")
    except KeyboardInterrupt:
        sys.exit(stopped)


class Progress:
    """Prints what happens, with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def say(self, what: str) -> None:
        """Print a line of progress."""
        passed = int(self.passed)
        print(f"* {passed // 60:2}:{passed % 60:02} {what}", flush=True)
