"""``bin/pack``, and ``bin/zeopack`` in the place of plone.recipe.zeoserver's: remove old revisions.

ZEO packs, so it has to run. The recipe's own program packs the main database only and does not wait
for a backup, which must not be made meanwhile.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected, ServerException
from ZODB.POSException import POSError

from zopestack.backups.failed import Failed
from zopestack.backups.progress import megabytes, progress
from zopestack.features.storage import Storage
from zopestack.model import Stack
from zopestack.paths import FileStorage
from zopestack.supervisor import job, zeo_tls

DESCRIPTION = """\
Remove old revisions of objects, and objects that nothing refers to any more, from every database,
while the stack runs. What is gone cannot be undone in Zope any more.

The exit status is 0 when all databases are packed. Otherwise one message says why one is not.
"""

#: Seconds for ZEO to answer.
CONNECT = 10


def main(file: str, main_storage: str, days: str) -> None:
    """Run ``bin/pack``.

    :param file: the Stack's.
    :param main_storage: what ZEO calls the main database; the others have its name for them.
    :param days: of history that are kept where nobody says otherwise.
    """
    parser = job.parser("pack", DESCRIPTION)
    parser.add_argument(
        "-D",
        "--days",
        type=_days,
        metavar="DAYS",
        help=f"days of history to keep (default: those of `pack` in [stack], or {days})",
    )
    parser.add_argument(
        "-S",
        "--storage",
        metavar="NAME",
        help=f"pack this database only; the main one is {main_storage}",
    )
    given = parser.parse_args()

    def work(stack: Stack, say: job.Say) -> None:
        storages = {
            main_storage if each.path == stack.database else each.name: each
            for each in stack.filestorages
        }
        if given.storage not in (None, *storages):
            raise Failed(f"-S {given.storage}: expected one of {', '.join(storages)}")
        option = stack.backups.pack
        kept = given.days if given.days is not None else option.keep if option else int(days)
        say(f"begins, {datetime.now():%Y-%m-%d %H:%M:%S}; {kept} days of history are kept")
        for name in [given.storage] if given.storage else storages:
            _pack(stack, name, storages[name], kept, say)

    job.run("pack", file, work)


def _days(text: str) -> int:
    if not text.isdecimal() or len(text) > 4:
        raise argparse.ArgumentTypeError(f"expected a number of days, not {text}")
    return int(text)


def _pack(stack: Stack, name: str, database: FileStorage, days: int, say: job.Say) -> None:
    before = database.path.stat().st_size
    with progress(say, partial(_written, database)):
        _have_packed(stack.storage, name, days)
    after = database.path.stat().st_size
    say(f"{database.name}: {megabytes(before)} before, {megabytes(after)} now")


def _have_packed(zeo: Storage, name: str, days: int) -> None:
    """Have ZEO pack a storage, and wait for the end.

    :raises Failed: where it does not.
    """
    address = zeo.zeo_address
    server = address.host, address.port
    tls: dict[str, Any] = {}
    if given := zeo.ssl_of_client:
        tls = {
            "ssl": zeo_tls.context(given),
            "ssl_server_hostname": zeo.zeo_server_hostname or None,
        }
    try:
        storage = ClientStorage(server, storage=name, wait_timeout=CONNECT, read_only=True, **tls)
        try:
            storage.pack(days=days, wait=True)
        finally:
            storage.close()
    except ClientDisconnected as why:
        raise Failed(f"zeo does not answer at {address}: bin/supervisorctl status zeo") from why
    except (POSError, ServerException) as why:
        raise Failed(f"{name}: {why}; see bin/supervisorctl tail zeo") from why


def _written(database: FileStorage) -> str:
    """How far the new file is that a pack writes (ZODB, ``fspack.py``)."""
    size = 0
    with suppress(OSError):
        size = database.path.with_name(f"{database.path.name}.pack").stat().st_size
    return f"{database.name}: {megabytes(size)} written"


if __name__ == "__main__":
    main(sys.argv.pop(1), "1", "1")
