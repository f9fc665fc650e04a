"""A small real front end for Node: React pages that it renders itself, built with npm."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.polling import PATIENCE

HERE = Path(__file__).parent

#: What is started, from the directory that it was built in.
SERVER = "build/server.js"


def build(directory: Path) -> None:
    """Install its packages into a directory and build it there.

    :raises subprocess.CalledProcessError: where npm cannot.
    """
    shutil.copytree(HERE, directory, dirs_exist_ok=True)
    for command in (("ci", "--ignore-scripts", "--no-audit", "--no-fund"), ("run", "build")):
        subprocess.run(
            ["npm", *command], cwd=directory, check=True, capture_output=True, timeout=PATIENCE
        )
