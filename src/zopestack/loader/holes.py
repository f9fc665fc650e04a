"""Keep forks from writing to the pages that they have in common, by leaving no free memory there.

What has been freed while Zope was loaded leaves holes everywhere. The next objects of a fork would
be made in them, and the kernel would give it a page of its own for each. Without holes they are
made next to each other, in new pages.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import tempfile

#: A line of ``sys._debugmallocstats``: class, bytes of a block, pools, blocks in use and free.
BLOCKS = re.compile(r"^ *\d+ +(\d+) +\d+ +\d+ +(\d+)$", re.MULTILINE)

#: Bytes of the pieces that are tried, the largest first. The last takes what is left beside another
#: one: the smallest that there is, 32 bytes with what belongs to it.
PIECES = tuple(1 << power for power in range(16, 3, -1))


def fill() -> int:
    """Allocate all free memory that lies between what is in use, and never free it; its bytes.

    What the C library manages is filled with glibc 2.33 or later only, which tells where it ends.
    """
    return _fill_pools() + _fill_heap()


def _fill_pools() -> int:
    """Fill what Python has for objects of up to 512 bytes (``Objects/obmalloc.c``)."""
    allocate = ctypes.pythonapi.PyObject_Malloc
    allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    filled = 0
    for size, free in BLOCKS.findall(_pools()):
        for _ in range(int(free)):
            allocate(int(size))
        filled += int(size) * int(free)
    return filled


def _pools() -> str:
    """What Python prints of its memory, to standard error only."""
    with tempfile.TemporaryFile() as printed:
        standard = os.dup(2)
        os.dup2(printed.fileno(), 2)
        try:
            sys._debugmallocstats()
        finally:
            os.dup2(standard, 2)
            os.close(standard)
        printed.seek(0)
        return printed.read().decode()


class _Figures(ctypes.Structure):
    """``struct mallinfo2`` (mallinfo(3))."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def _fill_heap() -> int:
    """Fill what the C library has for everything else, up to the free memory at its end."""
    library = ctypes.CDLL(None)
    try:
        library.mallinfo2.restype = _Figures
    except AttributeError:
        return 0
    for function in (library.malloc, library.sbrk):
        function.restype = ctypes.c_void_p
    library.malloc.argtypes, library.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
    library.malloc_trim(0)
    end = library.sbrk(0)
    begin = end - library.mallinfo2().arena
    free_at_the_end = end - library.mallinfo2().keepcost
    filled = 0
    for size in PIECES:
        # A piece from anywhere else means that none of this size is free in between.
        while begin <= (piece := library.malloc(size)) < free_at_the_end:
            filled += size
        library.free(piece)
    return filled
