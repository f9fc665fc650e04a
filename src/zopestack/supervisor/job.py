"""How a backup, a pack and a restore run: one at a time, each with one exit status and message."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from zopestack import stack_file
from zopestack.backups import jobs
from zopestack.backups.failed import Failed
from zopestack.model import Stack
from zopestack.supervisor.interruption import heard, interruptible
from zopestack.supervisor.owner import Owner

Say = Callable[[str], None]

#: Of new files, as supervisord's own umask for all programs: nothing for other users.
UMASK = 0o027


def parser(name: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
    """The parser of a command in bin.

    :param name: of the command.
    :param epilog: its examples.
    """
    return argparse.ArgumentParser(
        prog=f"bin/{name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run(name: str, file: str, work: Callable[[Stack, Say], None], noted: bool = True) -> None:
    """Do a job; exit with status 1 and one message if it fails.

    Waits while another one runs.

    :param name: of the job and its command.
    :param file: the Stack's.
    :param noted: whether ``supervisorctl stack`` tells when it was and how it ended.
    """
    os.umask(UMASK)
    say = heard(lambda line: print(f"{name}: {line}", flush=True))
    try:
        stack = stack_file.load(Path(file))
        stack.var.mkdir(mode=0o750, parents=True, exist_ok=True)
        _check_user(stack)
        with interruptible() as check, Owner(stack.backup_lock, f"bin/{name}", say):
            if noted:
                jobs.began(stack, name, datetime.now())
            try:
                work(stack, say)
                check()
            except (Failed, OSError, KeyboardInterrupt) as why:
                if noted:
                    again = isinstance(why, KeyboardInterrupt)
                    jobs.failed(stack, name, _said(why), again)
                raise
            if noted:
                jobs.succeeded(stack, name, datetime.now())
    except (Failed, OSError, KeyboardInterrupt) as why:
        sys.exit(f"{name}: {_said(why)}")


def _check_user(stack: Stack) -> None:
    """Files of root's would be in the way of whoever runs the stack."""
    owner = stack.var.stat().st_uid
    if owner != os.geteuid():
        raise Failed(f"{stack.var} belongs to the user with id {owner}: run this as that user")


def _said(why: BaseException) -> str:
    return "interrupted" if isinstance(why, KeyboardInterrupt) else str(why)
