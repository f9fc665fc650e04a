"""How a fork ends: after everything that Python calls at its end, and before it takes itself apart.

That would touch every object, so the kernel would copy every page that the fork shares, only to
free it.
"""

from __future__ import annotations

import atexit
import os
import sys


class Ending:
    """The end of this process.

    :ivar status: the exit status of a fork; None in the loader, which ends as any process does.
    """

    def __init__(self) -> None:
        self.status: int | None = None

    def install(self) -> None:
        """Call it before anything else can ask to be called at the end: the first that asked is
        called last (Python's documentation of ``atexit``).
        """
        atexit.register(self._end)

    def _end(self) -> None:
        if self.status is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status)
