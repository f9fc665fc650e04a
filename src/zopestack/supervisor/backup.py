"""``bin/backup``: back up every database and its blobs now."""

from __future__ import annotations

import sys
from datetime import datetime

from zopestack.backups import catalog
from zopestack.backups.make import make
from zopestack.model import Stack
from zopestack.supervisor import job

DESCRIPTION = """\
Back up every database and its blobs, while the stack runs or not. Of blobs in files, and of the
databases of ZEO, only what is new since the last backup is copied. Then the oldest backups are
deleted, so that as many are left as `backup` in [stack] says; without that option, none is.

The exit status is 0 when the backup is on the disk. Otherwise one message says why it is not; the
backups of before are as they were.
"""


def main(file: str) -> None:
    """Run ``bin/backup``.

    :param file: the Stack's.
    """
    job.parser("backup", DESCRIPTION).parse_args()
    job.run("backup", file, _backup)


def _backup(stack: Stack, say: job.Say) -> None:
    say(f"begins, {datetime.now():%Y-%m-%d %H:%M:%S}")
    made = make(stack, say)
    say(f"{made.directory} is complete")
    for old in catalog.prune(stack):
        say(f"{old.directory} is deleted")


if __name__ == "__main__":
    main(sys.argv.pop(1))
