"""``bin/pack``, and ``bin/zeopack`` in the place of plone.recipe.zeoserver's: remove old revisions.

A recipe's own program, or RelStorage's, packs one database only and does not wait for a backup,
which must not be made meanwhile.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime

from zopestack.backups.databases import every
from zopestack.backups.failed import Failed
from zopestack.model import Stack
from zopestack.supervisor import job

DESCRIPTION = """\
Remove old revisions of objects, and objects that nothing refers to any more, from every database,
while the stack runs. What is gone cannot be undone in Zope any more.

The exit status is 0 when all databases are packed. Otherwise one message says why one is not.
"""

#: What a stack calls its main database.
MAIN = "main"


def main(file: str, main_storage: str = MAIN, days: str = "1") -> None:
    """Run ``bin/pack``.

    :param file: the Stack's.
    :param main_storage: what its server calls the main database; the others have their own names.
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
        known = {main_storage if each.name == MAIN else each.name: each for each in every(stack)}
        if given.storage not in (None, *known):
            raise Failed(f"-S {given.storage}: expected one of {', '.join(known)}")
        option = stack.backups.pack
        kept = given.days if given.days is not None else option.keep if option else int(days)
        say(f"begins, {datetime.now():%Y-%m-%d %H:%M:%S}; {kept} days of history are kept")
        for called in [given.storage] if given.storage else known:
            known[called].pack(kept, say, called)

    job.run("pack", file, work)


def _days(text: str) -> int:
    if not text.isdecimal() or len(text) > 4:
        raise argparse.ArgumentTypeError(f"expected a number of days, not {text}")
    return int(text)


if __name__ == "__main__":
    main(sys.argv.pop(1), "1")
