"""How far a long step has got, for whoever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Seconds between two lines; a shorter step says nothing.
INTERVAL = 2.0


@contextmanager
def progress(say: Callable[[str], None], look: Callable[[], str]) -> Iterator[None]:
    """Say what is seen every two seconds, as long as the block lasts.

    :param look: called in a thread of its own.
    """
    over = threading.Event()

    def tell() -> None:
        while not over.wait(INTERVAL):
            say(look())

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def megabytes(number: int) -> str:
    """A number of bytes, for a person."""
    return f"{number / (1 << 20):,.1f} MB"


def size(file: Path) -> int:
    """Bytes of a file that grows; 0 where there is none yet."""
    with suppress(OSError):
        return file.stat().st_size
    return 0
