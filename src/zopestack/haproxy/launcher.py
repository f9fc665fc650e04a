"""What HAProxy is executed through, at its start and again at every reload."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from zopestack import files

#: HAProxy handles SIGTERM while it waits, and executing it again undoes that, so that the worker
#: of a reload would end at once. What is ignored stays ignored (execve(2)). HAProxy executes the
#: name that it was given, which is this script's: a shell cannot hand that on, Python can.
SCRIPT = """\
#!/bin/sh
# HAProxy with SIGTERM ignored. A shutdown of the machine sends SIGTERM to every process at once;
# instances are still to answer then, and supervisord ends HAProxy in its turn, with SIGUSR1.
trap '' TERM
exec {python} -ISc 'import os, sys; os.execv(sys.argv[1], sys.argv[2:])' {program} "$0" "$@"
"""


def put(path: Path, program: Path) -> bool:
    """Have ``path`` execute a program, and return whether anything changed.

    :raises OSError: if it cannot be written.
    """
    python, executed = shlex.quote(sys.executable), shlex.quote(str(program))
    return files.write(path, SCRIPT.format(python=python, program=executed), mode=0o755)
