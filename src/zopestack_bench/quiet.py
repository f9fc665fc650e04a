"""Patience with a machine that others use as well: measure while they are idle."""

from __future__ import annotations

import time

from zopestack_bench import proc
from zopestack_bench.record import Sample

#: Cores that other processes may use in a measurement that counts.
LIMIT = 0.25

#: Seconds of one observation of them.
LOOK = 0.5


class Quiet:
    """Waits for other processes for so many seconds in all; after that every sample counts."""

    def __init__(self, seconds: float = 0) -> None:
        self._end = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() >= self._end

    def wait(self) -> None:
        """Return when others are idle, or the time is used up."""
        while not self.over:
            began, busy, own = time.monotonic(), proc.busy(), proc.own()
            time.sleep(LOOK)
            used = proc.busy() - busy - (proc.own() - own)
            if used <= LIMIT * (time.monotonic() - began):
                return

    def accepts(self, sample: Sample) -> bool:
        """Whether a sample counts; otherwise it is measured again."""
        return self.over or sample.others <= LIMIT
