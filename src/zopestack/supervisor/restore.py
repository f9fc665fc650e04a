"""``bin/restore``: put a backup in the place of the databases of a stopped stack."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from zopestack import stack_file
from zopestack.backups import catalog
from zopestack.backups.catalog import Backup
from zopestack.backups.failed import Failed
from zopestack.backups.restore import restore
from zopestack.columns import columns
from zopestack.model import Stack
from zopestack.supervisor import daemon, job, orphans
from zopestack.supervisor.interruption import undisturbed
from zopestack.supervisor.owner import Owner

DESCRIPTION = """\
Put a backup in the place of every database and its blobs. The stack has to be stopped. What was
there before is kept beside it under another name; delete it when you do not need it any more.

The exit status is 0 when everything is restored. Otherwise one message says why it is not, and
nothing has been changed.
"""

EPILOG = """\
examples:
  bin/restore --list                  list the backups
  bin/restore                         the last one
  bin/restore --at "2026-11-27 02:30" the last one that had begun then
"""


def main(file: str) -> None:
    """Run ``bin/restore``.

    :param file: the Stack's.
    """
    parser = job.parser("restore", DESCRIPTION, EPILOG)
    parser.add_argument("--list", action="store_true", help="list the backups, and do nothing")
    parser.add_argument(
        "--at",
        type=_time,
        metavar="TIME",
        help="restore the last backup that had begun at this time: YYYY-MM-DD HH:MM[:SS], local "
        "or with an offset such as +00:00, or the name of a backup",
    )
    parser.add_argument(
        "--from",
        dest="directory",
        type=Path,
        metavar="DIRECTORY",
        help="restore a backup from here, be it of this stack or of another one",
    )
    given = parser.parse_args()
    if given.list:
        _list(Path(file), given.directory)
        return

    def work(stack: Stack, say: job.Say) -> None:
        with Owner(stack.lock, "bin/restore", say):
            check_stopped(stack, say)
            backup = catalog.chosen(_backups(stack, given.directory), given.at)
            say(f"restoring {backup.directory}, of {catalog.local(backup.began)}")
            for aside in restore(stack, backup, say, undisturbed):
                say(f"what was there before is in {aside}")
            say("done; scripts/up, or bin/supervisord, starts the stack")

    job.run("restore", file, work, noted=False)


def _list(file: Path, directory: Path | None) -> None:
    try:
        place = directory or stack_file.load(file).backups.backup_directory
        every = catalog.found(place)
    except OSError as why:
        sys.exit(f"restore: {why}")
    print(f"{len(every)} backups in {place}")
    rows = [(each.directory.name, catalog.local(each.began), each.stack) for each in every]
    if rows:
        print("\n".join(columns([("name", "began", "of the stack in"), *rows])))


def _time(text: str) -> datetime:
    if catalog.NAMED.fullmatch(text):
        return datetime.strptime(text, catalog.NAME).replace(tzinfo=UTC)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a time such as '2026-11-27 02:30', or the name of a backup, not {text!r}"
        ) from None


def check_stopped(stack: Stack, say: job.Say) -> None:
    """Check that nothing of the stack runs.

    :raises Failed: where something does.
    """
    try:
        daemon.wait_settled(stack.supervisor_socket, stack.stop_seconds * len(stack.programs), say)
    except daemon.Deaf as why:
        raise Failed(f"{why} Nothing was changed") from why
    running = daemon.pid(stack.supervisor_socket)
    if running is not None:
        raise Failed(
            f"the stack runs (supervisord, pid {running or 'of another user'}): "
            "bin/supervisorctl shutdown stops it. Nothing was changed"
        )
    if left := orphans.find(stack):
        names = ", ".join(sorted(f"{each.program} (pid {each.process.pid})" for each in left))
        raise Failed(
            f"supervisord has died, but {names} still run; scripts/up, then "
            "bin/supervisorctl shutdown, stops them. Nothing was changed"
        )


def _backups(stack: Stack, directory: Path | None) -> list[Backup]:
    """The backups to choose from.

    :raises Failed: where there are only those of other stacks, and nobody has asked for them.
    """
    place = directory or stack.backups.backup_directory
    every = catalog.found(place)
    own = [each for each in every if directory or each.stack == str(stack.directory)]
    if every and not own:
        raise Failed(
            f"{place} has backups of another stack, the one in {every[-1].stack}, and none of "
            f"{stack.directory}. To restore one here: bin/restore --from {place}"
        )
    if not own:
        raise Failed(f"there is no backup in {place}")
    return own


if __name__ == "__main__":
    main(sys.argv.pop(1))
