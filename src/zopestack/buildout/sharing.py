"""What stands for a fork of the loader in supervisord, as a program."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from zopestack import files
from zopestack.loader import client

#: Without ``site``, which costs memory: the client needs the standard library only.
SCRIPT = """\
#!/bin/sh
# Asks the loader for an instance, and stands for it while it runs.
exec {python} -I -S {client} "$@"
"""


def put(path: Path) -> bool:
    """Make the program, and return whether anything changed.

    :raises OSError: if it cannot be written.
    """
    python, program = shlex.quote(sys.executable), shlex.quote(client.__file__)
    return files.write(path, SCRIPT.format(python=python, client=program), mode=0o755)
