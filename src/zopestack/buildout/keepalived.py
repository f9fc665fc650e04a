"""Whether keepalived accepts its configuration, before anything is put in place.

keepalived is the system's, and only asked where it is installed.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from zopestack import files, system_program
from zopestack.model import Stack
from zopestack.render.files import keepalived

#: Timeout in seconds for one run of the program.
TIMEOUT = 20

#: Stands for the script that is not made yet, which keepalived looks for.
SCRIPT = "/bin/true"


def refusal(stack: Stack) -> str:
    """What keepalived says against its configuration; empty where it accepts it, where there is
    none, and where keepalived is not installed.
    """
    program = system_program.find("keepalived")
    if not program:
        return ""
    with tempfile.TemporaryDirectory(prefix="zopestack-") as directory:
        for path, text in keepalived(stack).items():
            trial = Path(directory) / path.name
            files.write(trial, text.replace(str(stack.balancer_alive), SCRIPT))
            done = subprocess.run(
                [program, "--use-file", trial, "--config-test"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
            if done.returncode:
                said = done.stdout.strip() or f"exit status {done.returncode}"
                return said.replace(str(trial), str(path))
    return ""
