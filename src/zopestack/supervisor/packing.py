"""``bin/pack``: remove old revisions from every database now.

ZEO packs, so it has to run. ``bin/zeopack`` of plone.recipe.zeoserver does the same for one
database, but does not wait for a backup, which must not be made meanwhile.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from datetime import datetime
from functools import partial

from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected, ServerException
from ZODB.POSException import POSError

from zopestack.backups.failed import Failed
from zopestack.backups.progress import megabytes, progress
from zopestack.model import Stack
from zopestack.paths import FileStorage
from zopestack.supervisor import job

DESCRIPTION = """\
Remove old revisions of objects, and objects that nothing refers to any more, from every database,
while the stack runs. What is gone cannot be undone in Zope any more.

The exit status is 0 when all databases are packed. Otherwise one message says why one is not.
"""

#: Days of history that are kept where no option says so: plone.recipe.zeoserver's ``pack-days``.
DAYS = 1

#: Seconds for ZEO to answer.
CONNECT = 10


def main(file: str) -> None:
    """Run ``bin/pack``.

    :param file: the Stack's.
    """
    parser = job.parser("pack", DESCRIPTION)
    parser.add_argument(
        "--days",
        type=_days,
        metavar="DAYS",
        help=f"days of history to keep (default: those of `pack` in [stack], or {DAYS})",
    )
    job.run("pack", file, partial(_pack, parser.parse_args().days))


def _days(text: str) -> int:
    if not text.isdecimal() or len(text) > 4:
        raise argparse.ArgumentTypeError(f"expected a number of days, not {text}")
    return int(text)


def _pack(days: int | None, stack: Stack, say: job.Say) -> None:
    option = stack.backups.pack
    kept = days if days is not None else option.keep if option else DAYS
    say(f"begins, {datetime.now():%Y-%m-%d %H:%M:%S}; {kept} days of history are kept")
    for each in stack.filestorages:
        before = each.path.stat().st_size
        with progress(say, partial(_written, each)):
            _pack_one(stack, each, kept)
        after = each.path.stat().st_size
        say(f"{each.name}: {megabytes(before)} before, {megabytes(after)} now")


def _pack_one(stack: Stack, database: FileStorage, days: int) -> None:
    address = stack.storage.zeo_address
    try:
        storage = ClientStorage(
            (address.host, address.port),
            storage=database.storage,
            wait_timeout=CONNECT,
            read_only=True,
        )
        try:
            storage.pack(days=days, wait=True)
        finally:
            storage.close()
    except ClientDisconnected as why:
        raise Failed(f"zeo does not answer at {address}: bin/supervisorctl status zeo") from why
    except (POSError, ServerException) as why:
        raise Failed(f"{database.name}: {why}; see bin/supervisorctl tail zeo") from why


def _written(database: FileStorage) -> str:
    """How far the new file is that a pack writes (ZODB, ``fspack.py``)."""
    size = 0
    with suppress(OSError):
        size = database.path.with_name(f"{database.path.name}.pack").stat().st_size
    return f"{database.name}: {megabytes(size)} written"


if __name__ == "__main__":
    main(sys.argv.pop(1))
