"""Grafana's own description of a dashboard, which its authors publish as types of TypeScript."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.polling import PATIENCE

HERE = Path(__file__).parent

#: Of TypeScript's compiler: only to check, and the types of others as they are.
CHECK = ("--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext")


def install(directory: Path) -> None:
    """Install the types and the compiler into a directory.

    :raises subprocess.CalledProcessError: where npm cannot.
    """
    shutil.copytree(HERE, directory, dirs_exist_ok=True)
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=directory,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )


def complaints(directory: Path, dashboard: str) -> str:
    """What is wrong with a dashboard by these types; empty where nothing is.

    :param directory: where the types are installed.
    :param dashboard: as JSON.
    """
    file = directory / "dashboard.ts"
    head = "import type { Checked } from './check.ts';\nexport const dashboard: Checked = "
    file.write_text(head + dashboard, encoding="utf-8")
    done = subprocess.run(
        ["node_modules/.bin/tsc", *CHECK, "--allowImportingTsExtensions", file.name],
        cwd=directory,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.stdout + done.stderr
