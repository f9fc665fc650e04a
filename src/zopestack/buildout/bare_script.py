"""Programs of this package that start without ``site``, which costs memory and time: they need the
standard library only.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import ModuleType

from zopestack import files
from zopestack.haproxy import alive
from zopestack.loader import client

SCRIPT = """\
#!/bin/sh
# {what}
exec {python} -I -S {program} "$@"
"""

#: What each is for.
PURPOSES = {
    client: "Asks the loader for an instance, and stands for it while it runs.",
    alive: "Tells keepalived whether HAProxy serves.",
}


def put(path: Path, module: ModuleType) -> bool:
    """Make the program that runs a module, and return whether anything changed.

    :raises OSError: if it cannot be written.
    """
    python, program = shlex.quote(sys.executable), shlex.quote(str(module.__file__))
    text = SCRIPT.format(what=PURPOSES[module], python=python, program=program)
    return files.write(path, text, mode=0o755)
