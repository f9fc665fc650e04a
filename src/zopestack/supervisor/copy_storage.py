"""``bin/copy-storage``: copy the databases of a stopped stack to where it has them from now on."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from zopestack import stack_file
from zopestack.backups import catalog
from zopestack.backups.failed import Failed
from zopestack.columns import columns
from zopestack.copying import known
from zopestack.copying.copy import Manner, Pair, copy
from zopestack.copying.known import Known
from zopestack.copying.storages import Storage, read
from zopestack.model import Stack
from zopestack.supervisor import job
from zopestack.supervisor.interruption import undisturbed
from zopestack.supervisor.owner import Owner
from zopestack.supervisor.restore import check_stopped

DESCRIPTION = """\
Copy every database, with its blobs, to the storage that buildout.cfg names now, from the one that
it named before. The stack has to be stopped. Where the databases were stays as it is.

The exit status is 0 when everything is copied. Otherwise one message says why it is not.
"""

EPILOG = """\
examples:
  bin/copy-storage --list     list the storages that the stack has had
  bin/copy-storage            copy from the last one that was elsewhere
  bin/copy-storage --from 1   copy from another one
"""


def main(file: str) -> None:
    """Run ``bin/copy-storage``.

    :param file: the Stack's.
    """
    parser = job.parser("copy-storage", DESCRIPTION, EPILOG)
    parser.add_argument("--list", action="store_true", help="list the storages, and do nothing")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="STORAGE",
        help="copy from this storage: a number of --list, or a file such as those of var/storages, "
        "be it of another stack",
    )
    parser.add_argument(
        "--clear",
        action="store_true",
        help="empty the target before, if there is something in it: a relational database loses "
        "it, a file is kept under another name",
    )
    given = parser.parse_args()
    # Libraries say what is said here in one line.
    logging.getLogger().addHandler(logging.NullHandler())
    if given.list:
        _list(Path(file))
        return

    def work(stack: Stack, say: job.Say) -> None:
        with Owner(stack.lock, "bin/copy-storage", say):
            check_stopped(stack, say)
            here = known.found(stack.storages)
            if not here:
                raise Failed("bin/buildout has to run first")
            source, to = _source(here, given.source), here[-1]
            for what, each in (("from", source), ("to", to)):
                for name, place in each.places.items():
                    say(f"{what} {name}: {place}")
            how = Manner(catalog.now(), given.clear, say, undisturbed, stack.copying)
            copy(_pairs(source, to, say), how)
            say("done; scripts/up, or bin/supervisord, starts the stack")

    job.run("copy-storage", file, work, noted=False)


def _list(file: Path) -> None:
    try:
        every = known.found(stack_file.load(file).storages)
    except OSError as why:
        sys.exit(f"copy-storage: {why}")
    rows = [
        (str(each.number), name, place, "now" if each is every[-1] else "")
        for each in every
        for name, place in each.places.items()
    ]
    print("\n".join(columns([("number", "database", "where", ""), *rows])))


def _source(every: list[Known], given: str | None) -> Known:
    """The storage to copy from.

    :param given: what the user has said of it, if anything.
    """
    if given is None:
        if found := known.before(every):
            return found
        raise Failed(
            "no other storage is known that this stack has had. Set [stack] to the one it had, run "
            "bin/buildout, set it to the new one, and run bin/buildout again"
        )
    for each in every:
        if given == str(each.number):
            return each
    path = Path(given)
    try:
        return Known(0, path, path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise Failed(f"--from {given}: it is no text") from None
    except OSError as why:
        numbers = ", ".join(str(each.number) for each in every)
        raise Failed(f"--from {given}: expected {numbers}, or a file ({why.strerror})") from None


def _pairs(source: Known, to: Known, say: job.Say) -> list[Pair]:
    """What is copied where.

    :raises Failed: for a database that would be left behind.
    """
    sources, targets = (_read(each) for each in (source, to))
    if left := sources.keys() - targets.keys():
        names = ", ".join(sorted(left))
        raise Failed(f"{names}: [stack] databases does not name it, so it would be left behind")
    for name in targets.keys() - sources.keys():
        say(f"{name}: the source does not have it, so it stays as it is")
    return [Pair(sources[name], targets[name]) for name in targets if name in sources]


def _read(storage: Known) -> dict[str, Storage]:
    return read(storage.text, storage.path)


if __name__ == "__main__":
    main(sys.argv.pop(1))
