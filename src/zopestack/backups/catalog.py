"""The backups in a directory.

Each is a directory of its own and complete. What has not changed since the one before is in both
as one file with two names (hard links), so that each can be deleted without harm to the others::

    2026-11-27-01-30-00/           when it began, in UTC, as repozo names its files
        backup.json                which stack it is of, and what belongs to it
        main/filestorage/          the copy of the database `main`, here by repozo
        main/blobs/                its blobs, unless they are in the database

An unfinished one, or one that is being deleted, has another name and counts for nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from zopestack import files
from zopestack.backups.failed import Failed
from zopestack.model import Stack

MANIFEST = "backup.json"

#: Of a backup, for ``datetime.strptime``; names sort by time.
NAME = "%Y-%m-%d-%H-%M-%S"

#: The directory of blobs, beside that of the copy.
BLOBS = "blobs"

NAMED = re.compile(r"[0-9]{4}(-[0-9]{2}){5}")


@dataclass(frozen=True)
class Backup:
    """A complete backup.

    :param stack: the directory of the buildout that it is of.
    :param counts: by database, how many blobs belong to it.
    """

    directory: Path
    stack: str
    counts: dict[str, int]

    @property
    def began(self) -> datetime:
        """When it began, in UTC: it holds what was committed before."""
        return datetime.strptime(self.directory.name, NAME).replace(tzinfo=UTC)

    def copy_of(self, database: str, kind: str) -> Path:
        """The directory of the copy of a database."""
        return copy(self.directory, database, kind)

    def kind_of(self, database: str) -> str:
        """What the copy of a database is of."""
        below = sorted(each.name for each in (self.directory / database).glob("*/"))
        return next((name for name in below if name != BLOBS), "nothing")

    def blobs_of(self, database: str) -> Path:
        """The directory of a database's blobs."""
        return blobs(self.directory, database)


def copy(backup: Path, database: str, kind: str) -> Path:
    """The directory of the copy of a database in that of a backup."""
    return backup / database / kind


def blobs(backup: Path, database: str) -> Path:
    """The directory of a database's blobs in that of a backup."""
    return backup / database / BLOBS


def now() -> str:
    """The name of a backup that begins now."""
    return datetime.now(UTC).strftime(NAME)


def found(directory: Path) -> list[Backup]:
    """Every backup in a directory, of whatever stack, the oldest first.

    :raises OSError: where the directory cannot be read.
    """
    if not directory.is_dir():
        return []
    named = sorted(each for each in directory.iterdir() if NAMED.fullmatch(each.name))
    return [backup for each in named if (backup := _read(each))]


def own(stack: Stack) -> list[Backup]:
    """The backups of a stack, the oldest first.

    :raises OSError: where their directory cannot be read.
    """
    every = found(stack.backups.backup_directory)
    return [backup for backup in every if backup.stack == str(stack.directory)]


def chosen(backups: list[Backup], at: datetime | None) -> Backup:
    """The last backup, or the last one that had begun at a time.

    :raises Failed: where there is none.
    """
    if not backups:
        raise Failed("there is no backup there")
    early = [backup for backup in backups if at is None or backup.began <= at]
    if not early:
        raise Failed(f"the oldest backup is of {local(backups[0].began)}")
    return early[-1]


def local(moment: datetime) -> str:
    """A time as the people at this machine write it."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def unfinished(stack: Stack, name: str = "*") -> str:
    """What a backup is called while it is made or deleted; another stack's has another name."""
    mark = hashlib.sha256(str(stack.directory).encode("utf-8", "surrogateescape")).hexdigest()
    return f".unfinished-{mark[:12]}-{name}"


def describe(directory: Path, stack: Stack, counts: dict[str, int]) -> Backup:
    """Write what a backup is into its directory.

    :param counts: by database, how many blobs belong to it.
    :raises OSError: where it cannot be written.
    """
    told = {"stack": str(stack.directory), "blobs": counts}
    files.write(directory / MANIFEST, json.dumps(told, indent=1) + "\n", mode=0o640)
    return Backup(directory, str(stack.directory), counts)


def clear(stack: Stack) -> None:
    """Delete what a backup that was killed has left.

    :raises OSError: where it cannot be deleted.
    """
    for left in stack.backups.backup_directory.glob(unfinished(stack)):
        shutil.rmtree(left)


def prune(stack: Stack) -> list[Backup]:
    """Delete the oldest backups of a stack, so that as many are left as it keeps.

    :returns: those that were deleted.
    :raises Failed: where one cannot be deleted.
    """
    schedule = stack.backups.backup
    old = own(stack)[: -schedule.keep] if schedule else []
    for backup in old:
        try:
            # Half a backup must not look like one.
            going = backup.directory.with_name(unfinished(stack, backup.directory.name))
            backup.directory.rename(going)
            shutil.rmtree(going)
        except OSError as why:
            raise Failed(f"an old backup cannot be deleted: {why}") from why
    return old


def _read(directory: Path) -> Backup | None:
    """A backup, unless somebody else has made this directory."""
    try:
        told = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        return Backup(directory, str(told["stack"]), dict(told["blobs"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
