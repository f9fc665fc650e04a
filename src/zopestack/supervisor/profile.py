"""``supervisorctl profile``: a flame graph of an instance while it serves.

It is made by py-spy, which reads the stacks of a running process from outside. A profiler inside
Zope would slow down every request, or see nothing while an extension keeps the interpreter lock.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from zopestack.features.instances import Instance
from zopestack.model import Stack
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.stopped import Stopped
from zopestack.supervisor.threads import running

PROGRAM = "py-spy"

#: Seconds without an answer of its after it should have ended.
PATIENCE = 60


def profile(stack: Stack, supervisor: Supervisor, instance: Instance, seconds: int) -> Path:
    """Watch an instance for some seconds.

    :returns: the picture: an SVG file for a browser, which only its owner may read.
    :raises Stopped: if the instance does not run, or py-spy is missing or fails.
    """
    pid = running(supervisor, instance)[-1]
    program = _program()
    picture = stack.logs / f"{instance.name}-{datetime.now():%Y-%m-%d-%H-%M-%S}.svg"
    asked = ("record", "--pid", str(pid), "--duration", str(seconds), "--output", str(picture))
    try:
        done = subprocess.run(
            [program, *asked],
            timeout=seconds + PATIENCE,
            capture_output=True,
            text=True,
            check=False,
            umask=0o077,
        )
    except subprocess.TimeoutExpired:
        raise Stopped(f"{PROGRAM} has not ended {PATIENCE} s after it should have") from None
    if done.returncode or not picture.exists():
        raise Stopped(f"{PROGRAM} failed: {' '.join(done.stderr.split())}")
    return picture


def _program() -> str:
    """Where py-spy is: in the environment that runs this, or on the PATH.

    :raises Stopped: where it is in neither.
    """
    beside = str(Path(sys.executable).parent)
    if found := shutil.which(PROGRAM, path=beside) or shutil.which(PROGRAM):
        return found
    raise Stopped(
        f"{PROGRAM} is neither in {beside} nor on the PATH. Install it: "
        f"{sys.executable} -m pip install {PROGRAM}"
    )
