"""Runs what is due at times of day: ``schedule`` in supervisord, without cron and without root.

It looks what is due and becomes that: ``bin/backup`` or ``bin/pack`` takes the place of this
process, or, where nothing is due, ``sleep``. When that has ended, supervisord starts it again. So
what always runs is ``sleep`` with 0.2 MB (docs/explanation/measured.rst, "Backups"). croniter,
schedule and supervisord's TICK events, which superlance's programs listen to, need a Python in
memory that waits.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from math import ceil
from pathlib import Path

from zopestack import stack_file
from zopestack.backups import jobs
from zopestack.model import Stack
from zopestack.supervisor.owner import Owner

#: Seconds until it looks again at the latest: the clock may have been set, or have gone on while
#: the machine was suspended.
LONGEST = 3600

#: Seconds until it looks again where it cannot read or note what is due.
RETRY = 60


def main(file: str) -> None:
    """Become what is due.

    :param file: the Stack's.
    """
    try:
        stack = stack_file.load(Path(file))
        with Owner(stack.backup_lock, "schedule", _say):
            name, seconds = due(stack, datetime.now())
            if name:
                # Now: one that cannot even begin is not due again at once.
                jobs.began(stack, name, datetime.now())
    except OSError as why:
        _say(f"cannot look what is due: {why}")
        name, seconds = "", RETRY
    if name:
        command = f"{stack.bin}/{name}"
        os.execv(command, [command])
    os.execvp("sleep", ["sleep", str(seconds)])


def due(stack: Stack, now: datetime) -> tuple[str, int]:
    """The job that is due, or nothing, and the seconds until another look.

    :raises OSError: where it cannot be noted that a job is in the schedule.
    """
    times = jobs.next_times(stack, now)
    for name, time in times.items():
        if time <= now:
            return name, 0
    waits = [(time - now).total_seconds() for time in times.values()]
    return "", max(1, ceil(min([LONGEST, *waits])))


def _say(line: str) -> None:
    print(f"schedule: {line}", flush=True)


if __name__ == "__main__":
    main(sys.argv.pop(1))
