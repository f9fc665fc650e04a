"""How long the threads of requests wait for the interpreter lock.

Only one thread of a process runs Python at a time. The kernel knows of each of the others what it
waits for (proc(5), ``/proc/pid/task/tid/syscall``). One that waits for the lock waits for a futex
that lies in the interpreter's own state. Once a second a thread looks how many those are. It looks
only while several requests run, so an instance of one thread pays nothing.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from zopestack.agent import own_thread
from zopestack.agent.meter import Meter
from zopestack.figure import Figure, Values

GIL_WAIT = Figure(
    "gil_wait_seconds",
    "counter",
    "Seconds for which threads in a request have waited for the interpreter lock, estimated once a "
    "second.",
)

#: Poll interval in seconds.
POLL_INTERVAL = 1.0

#: Bytes of the kernel's answer; nine numbers.
ANSWER = 256


class GilWait:
    """Adds up the time that threads in a request wait for the interpreter lock.

    :ivar seconds: so far.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.seconds = 0.0
        self._state = _interpreter_state()
        # Unlike CDLL, PyDLL keeps the lock during a call, so that nothing changes meanwhile.
        self._libc = ctypes.PyDLL(None)

    def start(self) -> None:
        """Look in a thread of its own for as long as the process lives."""
        own_thread.start("interpreter lock", self._watch)

    def _watch(self) -> None:
        pause = threading.Event()
        before = time.monotonic()
        while not pause.wait(POLL_INTERVAL):
            now = time.monotonic()
            self.seconds += self.waiting() * (now - before)
            before = now

    def waiting(self) -> int:
        """How many threads in a request wait for the lock now, beside the one that had it until
        this thread took it.
        """
        running = set(self.meter.running)
        if len(running) < 2:
            return 0
        threads = [each for each in threading.enumerate() if each.ident in running]
        return max(0, sum(self._waits(each.native_id or 0) for each in threads) - 1)

    def _waits(self, thread: int) -> bool:
        answer = ctypes.create_string_buffer(ANSWER)
        file = self._libc.open(f"/proc/self/task/{thread}/syscall".encode(), os.O_RDONLY)
        if file < 0:
            return False
        self._libc.read(file, answer, ANSWER - 1)
        self._libc.close(file)
        # The number of the call and its arguments; a thread that runs has one word.
        words = answer.value.split()
        return len(words) > 1 and int(words[1], 16) in self._state

    def figures(self) -> Iterator[tuple[Figure, Values]]:
        """The time so far."""
        yield GIL_WAIT, {(): self.seconds}


def _interpreter_state() -> range:
    """The addresses of the memory that holds the interpreter's state, its lock included."""
    state = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        low, high = (int(each, 16) for each in line.split(maxsplit=1)[0].split("-"))
        if low <= state < high:
            return range(low, high)
    return range(0)
