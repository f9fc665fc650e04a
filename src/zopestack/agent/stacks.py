"""What each thread of an instance does: its request, and its stack."""

from __future__ import annotations

import faulthandler
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType

from zopestack import STACKS_SIGNAL
from zopestack.agent.log_lines import escaped
from zopestack.agent.meter import Meter, described


def write_on_signal(file: str) -> None:
    """Have the interpreter write every stack to a file at each ``STACKS_SIGNAL`` (Python's
    documentation, ``faulthandler.register``).

    :raises OSError: if the file cannot be written.
    """
    Path(file).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    # Kept open, because the handler can open nothing.
    faulthandler.register(STACKS_SIGNAL, Path(file).open("a", encoding="utf-8"), all_threads=True)  # noqa: SIM115


def stack_of(thread: int) -> str:
    """Return the stack of a thread as text; empty if it has ended."""
    frame = sys._current_frames().get(thread)
    return _formatted(frame) if frame else ""


def tracebacks(meter: Meter) -> str:
    """Return what every thread of the process does as text."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    # Whoever reads it may do so on a terminal.
    requests = {
        ident: f", {escaped(described(each))}" for ident, each in dict(meter.running).items()
    }
    return "\n".join(
        f"Thread {names.get(ident, ident)}{requests.get(ident, '')}:\n{_formatted(frame)}"
        for ident, frame in sys._current_frames().items()
    )


def _formatted(frame: FrameType) -> str:
    return "".join(traceback.format_stack(frame))
