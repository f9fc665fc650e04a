"""axe-core, the rules of accessibility that a program can check, fetched by npm."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.polling import PATIENCE

HERE = Path(__file__).parent


def fetched(directory: Path) -> str:
    """Its script, installed below a directory.

    :raises subprocess.CalledProcessError: where npm cannot.
    """
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, directory)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=PATIENCE)
    return (directory / "node_modules/axe-core/axe.min.js").read_text("utf-8")
