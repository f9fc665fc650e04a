"""Room for the frames of a thread in one piece.

CPython keeps the frames of Python functions in chunks of 16 kB (``DATA_STACK_CHUNK_SIZE``). It maps
another chunk when a call does not fit into the last one, and unmaps it when that call returns.
Where a page calls in a loop just at the end of a chunk, every call costs two system calls and a
page fault. Which pages these are depends on how deep in its stack the server calls Zope
(docs/explanation/measured.rst, "Where the frames of a page end").
"""

from __future__ import annotations

from collections.abc import Callable

#: Words of 8 bytes that one frame seems to need. The next chunk is the power of two that holds it,
#: 1 MB, so that half of that is left for other frames. Nothing is written to it before it is used.
WORDS = 1 << 16


def with_room(run: Callable[..., object], *given: object) -> None:
    """Call a function that has half a megabyte for the frames of what it calls."""
    run(*given)


with_room.__code__ = with_room.__code__.replace(co_stacksize=WORDS)
