"""What a fork gets pages of its own for. Each case is a process that forks, and tells the bytes."""

from __future__ import annotations

import subprocess
import sys

#: 300,000 objects of 40 bytes, and a function to count what a fork has of its own.
BEGIN = """
import gc, os
def own():
    text = open("/proc/self/smaps_rollup").read().split()
    return int(text[text.index("Private_Dirty:") + 1]) << 10
kept = [f"{number:15d}".encode() for number in range(300_000)]
"""

END = """
gc.freeze()
gc.disable()
if not os.fork():
    before = own()
    work()
    print(own() - before, flush=True)
    os._exit(0)
os.wait()
os._exit(0)
"""

#: Take and drop a reference to each, as a program does with what it uses.
USE = """
def work():
    for each in kept:
        pass
"""

#: Free every other one, and make objects of this size later.
HOLES = "del kept[::2]\n"

MAKE = """
def work():
    made = [bytes(15) for _ in range(100_000)]
    own_made.append(made)
own_made = []
"""


def own_bytes(*code: str) -> int:
    """Bytes of memory that a fork needs of its own for its work."""
    command = [sys.executable, "-c", "\n".join((BEGIN, *code, END))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_fork_does_not_write_to_what_it_uses() -> None:
    before = own_bytes(USE)
    after = own_bytes(USE, "from zopestack.loader.immortal import immortalize\nimmortalize()")
    assert before > 10 << 20
    if sys.version_info >= (3, 12):
        assert after < before / 10
    else:
        assert after > before / 2


def test_objects_of_a_fork_lie_together() -> None:
    before = own_bytes(MAKE, HOLES)
    after = own_bytes(MAKE, HOLES, "from zopestack.loader.holes import fill\nfill()")
    needed = 100_000 * (48 + 8)
    assert before > 1.6 * needed
    assert after < 1.2 * needed


def test_no_free_memory_is_left_in_between() -> None:
    """However small: what is free is in lists, and each step in one writes to its neighbours."""
    code = """
import ctypes
from zopestack.loader import holes
library = ctypes.CDLL(None)
try:
    library.mallinfo2.restype = holes._Figures
except AttributeError:
    # It is not the GNU C library.
    raise SystemExit
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
pieces = [library.malloc(number % 2000) for number in range(20_000)]
for piece in pieces[::2]:
    library.free(piece)
assert library.mallinfo2().ordblks > 5000
holes.fill()
free = library.mallinfo2()
# The one at the end.
assert (free.ordblks, free.fordblks) == (1, free.keepcost), (free.ordblks, free.fordblks)
"""
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


def test_what_is_immortal_is_used_as_before() -> None:
    code = """
import gc, sys
from collections import OrderedDict
from zopestack.loader import immortal
class Node:
    def __init__(self):
        self.names = {"a": [1.5, "b c"]}
def function(text="x y z", number=12345.678):
    def inner():
        return (text, number, "con stant")
    return inner
node, lines = Node(), OrderedDict(one=1)
made = immortal.immortalize()
if sys.version_info < (3, 12):
    assert made == 0
    sys.exit()
assert made > 10_000
assert immortal.immortalize() < 1000
never = sys.getrefcount(None)
code = function.__code__
for each in (node, node.names, node.names["a"], function, code, *code.co_consts):
    assert sys.getrefcount(each) == never, each
for number in range(1000):
    node.names["a"].append(number)
    node.names = {**node.names, str(number): function()()}
    lines[str(number)] = Node()
    lines.popitem(last=False)
assert len(node.names) == 1001 and len(lines) == 1
del node, lines, function, Node
gc.collect()
"""
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
