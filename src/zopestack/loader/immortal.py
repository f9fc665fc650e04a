"""Keep forks from writing to the objects that they have in common, by never counting references.

CPython keeps the number of an object's references inside the object. So a fork writes to whatever
it uses, and the kernel gives it a page of its own for that. Since Python 3.12 some objects, such as
None, are immortal: their number never changes, and they are never freed (PEP 683, which names this
use). What the loader has loaded stays as long as a fork does in any case.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import sysconfig
from types import CodeType, CoroutineType, FrameType, GeneratorType

#: What runs ends, and lets go of what it holds.
RUNNING = (FrameType, GeneratorType, CoroutineType)


def immortalize() -> int:
    """Make every object immortal that there is; their number, 0 where Python has no such thing."""
    if not possible():
        return 0
    count, never = sys.getrefcount, sys.getrefcount(None)
    number = 0
    found = gc.get_objects()
    while found:
        fresh = [each for each in found if count(each) != never and type(each) not in RUNNING]
        for each in fresh:
            _immortalize(each)
        number += len(fresh)
        # What the collector does not track is found by what refers to it.
        found = gc.get_referents(*fresh)
        for each in fresh:
            if isinstance(each, CodeType):
                found += (each.co_consts, *each.co_consts, each.co_name, each.co_qualname)
    return number


def possible() -> bool:
    """Whether this Python has immortal objects, tried with one.

    In a debugging or a free-threaded build, an object begins with something else, and on a
    big-endian machine its first word with the high half.
    """
    other = hasattr(sys, "getobjects") or sysconfig.get_config_var("Py_GIL_DISABLED")
    if sys.version_info < (3, 12) or sys.byteorder != "little" or other:
        return False
    tried = object()
    _immortalize(tried)
    before = sys.getrefcount(tried)
    several = (tried, tried, tried)
    return sys.getrefcount(several[0]) == before == sys.getrefcount(None)


def _immortalize(each: object) -> None:
    """Give an object the reference count of None: the low half of its first word."""
    ctypes.c_uint32.from_address(id(each)).value = _NEVER


_NEVER = ctypes.c_uint32.from_address(id(None)).value
