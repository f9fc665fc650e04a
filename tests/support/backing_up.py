"""Backups of a stack that does not run, in this process and by the commands of ``bin``."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from tests.support.harness import CHECKOUT
from zopestack.backups import make, restore
from zopestack.backups.catalog import Backup
from zopestack.model import Stack


def back_up(stack: Stack) -> Backup:
    """Make a backup."""
    return make.make(stack, print)


def put_back(stack: Stack, backup: Backup) -> list[Path | str]:
    """Restore a backup; where what was there before is."""
    return restore.restore(stack, backup, print, nullcontext)


def command(name: str, stack: Stack, before: str = "", *arguments: str) -> list[str]:
    """A command of ``bin``; ``before`` is Python that is run first."""
    serves = name == "pack" and stack.storage.serves
    given = [str(stack.stack_file), *(["1", "1"] if serves else [])]
    text = f"{before}\nfrom zopestack.supervisor.{name} import main\nmain(*{given!r})"
    return [sys.executable, "-c", text, *arguments]


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    """What a command says, and its exit status."""
    return subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=CHECKOUT,
    )
