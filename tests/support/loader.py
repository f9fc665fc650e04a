"""The loader with no Zope: real sockets, forks and clients, and what a fork runs is given as code.

    python -m tests.support.loader SOCKET LINK CODE

CODE is a program as text; ``number`` is a generator of random numbers made before any fork.
"""

from __future__ import annotations

import random
import sys

from zopestack.loader import child, load
from zopestack.loader import main as loader
from zopestack.loader.forks import Request

#: What it writes before any fork, and does not end.
HALF = "half a line"


def main(path: str, link: str, code: str) -> None:
    """Fork at each request, and run the code in the forks; ``refuse`` as code refuses."""
    number = random.Random(1)

    def serve(request: Request, loaded: child.Loaded) -> int:
        exec(code, {"number": number, "request": request})
        return 0

    child.serve = serve
    loader.prepare = lambda *_: child.Loaded([number], (), {})
    # It loads nothing.
    loader.code.before = lambda *_: {}
    loader.code.note = lambda *_: None
    sys.stdout.write(HALF)
    if code == "refuse":
        loader.prepare = refuse
    sys.exit(loader.main(path, link, "zope.conf", "wsgi.ini"))


def refuse(*_: object) -> child.Loaded:
    """Have nothing to fork, once a client waits."""
    sys.stdin.readline()
    raise load.NotForkable("an add-on has started a thread at import: busy")


if __name__ == "__main__":
    main(*sys.argv[1:])
