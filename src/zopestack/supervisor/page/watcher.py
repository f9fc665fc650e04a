"""Looks at the stack again and again, for the last hour and for whoever has the page open."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zopestack import stack_file
from zopestack.supervisor.page import status
from zopestack.supervisor.page.hour import INTERVAL, Hour
from zopestack.supervisor.page.look import Seen, look

#: Seconds for which a look is good enough for another visitor, so that many cost no more than one.
FRESH = 1.0

#: Seconds between two examinations by ``doctor``, which asks everything about the machine.
EXAMINED = 60.0

Say = Callable[[str], None]


class Watcher:
    """What the page is made from.

    :param file: the Stack's, which is read each time: no restart when instances come or go.
    """

    def __init__(self, file: Path, say: Say) -> None:
        self.file = file
        self.doctor = Doctor(file, say)
        self._say = say
        self._hour = Hour()
        #: The looks of the last :data:`INTERVAL` seconds, and one before.
        self._looks: deque[Seen] = deque()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Take samples in a thread of its own for as long as the process lives."""
        threading.Thread(target=self._watch, name="samples", daemon=True).start()

    def status(self) -> dict[str, Any]:
        """What is now, and what ``doctor`` has found lately.

        :raises OSError: if the Stack cannot be read.
        """
        then, now = self._look(FRESH)
        return {**status.status(then, now), "doctor": self.doctor.told()}

    def hour(self) -> dict[str, Any]:
        """The last hour."""
        with self._lock:
            return self._hour.told()

    def _look(self, fresh: float) -> tuple[Seen, Seen]:
        """The look with which to compare, and the newest one.

        :param fresh: seconds for which the last one is the newest.
        """
        with self._lock:
            if not self._looks or time.monotonic() - self._looks[-1].at > fresh:
                self._looks.append(look(stack_file.load(self.file)))
            now = self._looks[-1]
            while len(self._looks) > 2 and now.at - self._looks[1].at >= INTERVAL:
                self._looks.popleft()
            return self._looks[0], now

    def _sample(self) -> None:
        then, now = self._look(FRESH)
        values, instances = status.sample(then, now)
        with self._lock:
            self._hour.add(now.when, values, instances)

    def _watch(self) -> None:
        pause, due, said = threading.Event(), time.monotonic(), ""
        while True:
            problem = ""
            try:
                self._sample()
            except OSError as why:
                problem = str(why)
            # Whatever it is, the next sample may be well.
            except Exception as why:
                problem = _traceback(why)
            # Once, not four times a minute.
            if problem and problem != said:
                self._say(problem)
            said = problem
            due = max(due + INTERVAL, time.monotonic())
            pause.wait(due - time.monotonic())


class Doctor:
    """``supervisorctl doctor``, asked while somebody has the page open."""

    def __init__(self, file: Path, say: Say) -> None:
        self.file = file
        self._say = say
        self._told: dict[str, Any] = {"when": None, "findings": [], "problem": ""}
        self._next = 0.0
        self._busy = threading.Lock()

    def told(self) -> dict[str, Any]:
        """What it has found last, and when; None before the first time. Looks again if it is time.

        ``problem`` says why it could not look.
        """
        if time.monotonic() >= self._next and self._busy.acquire(blocking=False):
            threading.Thread(target=self._examine, name="doctor", daemon=True).start()
        return self._told

    def _examine(self) -> None:
        try:
            # Only who has the page open pays for it: it takes memory, which ``metrics`` keeps.
            from zopestack.supervisor.doctor.look import Look
            from zopestack.supervisor.doctor.run import findings

            found = findings(Look(stack_file.load(self.file)))
            told = {"findings": status.findings(found), "problem": ""}
        # A check that fails must neither end the page nor be lost.
        except Exception as why:
            self._say(_traceback(why))
            told = {"findings": [], "problem": f"{type(why).__name__}: {why}"}
        self._told = {"when": time.time(), **told}
        self._next = time.monotonic() + EXAMINED
        self._busy.release()


def _traceback(why: Exception) -> str:
    return "".join(traceback.format_exception(why)).rstrip()
