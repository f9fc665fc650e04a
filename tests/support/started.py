"""Processes that a test starts for a block of its own."""

from __future__ import annotations

import subprocess
from types import TracebackType
from typing import AnyStr


class Started(subprocess.Popen[AnyStr]):
    """A process that is killed where its block fails, and waited for in any case.

    subprocess's own is only waited for. So a failure while it waits for something itself would hang
    the whole run.
    """

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        if kind:
            self.kill()
        super().__exit__(kind, why, at)
