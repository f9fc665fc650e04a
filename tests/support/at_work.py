"""Requests that keep the threads of instances busy."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.door import Door
from tests.support.fetch import Response


@contextmanager
def at_work(
    door: Door, requests: int = 1, headers: Mapping[str, str] | None = None
) -> Iterator[list[Response]]:
    """Requests that keep their threads, or wait for one, until the end of the block; the answers.

    The end of one block ends every other one of that door.
    """
    path = f"/hold?until={release(door)}"
    answers: list[Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(door.get(path, headers)))
        for _ in range(requests)
    ]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        release(door).touch()
        for thread in threads:
            thread.join()
        release(door).unlink()


def release(door: Door) -> Path:
    """The file that has all these requests answered."""
    return door.directory / "release"
