"""What a command takes from a person, and prints for one: lines of progress and one message at its
end."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from zopestack_bench import Broken

#: Seconds without a line after which a dot is printed, and then the next.
SILENCE = 5.0


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
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except Broken as why:
        sys.exit(f"{why}")
    except KeyboardInterrupt:
        sys.exit(stopped)


class Progress:
    """Prints what happens, with the time since the start, and dots while nothing new does."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._said = threading.Event()
        self._over = self._dots = False
        self._thread = threading.Thread(target=self._wait, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *why: object) -> None:
        self._over = True
        self._said.set()
        self._thread.join()
        self._end_dots()

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def say(self, what: str) -> None:
        """Print a line of progress."""
        passed = int(self.passed)
        self.show(f"* {passed // 60:2}:{passed % 60:02} {what}")

    def show(self, text: str) -> None:
        """Print lines as they are."""
        with self._lock:
            self._end_dots()
            print(text, flush=True)
        self._said.set()

    def _wait(self) -> None:
        while not self._over:
            if self._said.wait(SILENCE):
                self._said.clear()
                continue
            with self._lock:
                print(".", end="", flush=True)
                self._dots = True

    def _end_dots(self) -> None:
        if self._dots:
            print(flush=True)
            self._dots = False
