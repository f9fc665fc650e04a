"""Lines of progress for a person, and a dot for every two seconds without one."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

#: Seconds without a line after which there is a dot, and after each dot the next.
SILENCE = 2.0


class Progress:
    """Says what happens, with the time since the start, and that something still does."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._said = threading.Event()
        self._over = False
        self._dots = False
        self._thread = threading.Thread(target=self._wait, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        self._over = True
        self._said.set()
        self._thread.join()
        self._end_dots()

    def say(self, what: str) -> None:
        """A line of progress."""
        passed = int(time.monotonic() - self._began)
        with self._lock:
            self._end_dots()
            print(f"* {passed // 60:2}:{passed % 60:02} {what}", flush=True)
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
