"""Make a backup of every database of a stack that may run meanwhile.

Blobs come after all databases: a blob is in its place before its transaction ends (ZODB,
``FileStorage.storeBlob``; RelStorage, ``blobhelper/shared.py``), and it is never changed, so every
blob that the copy of a database names is there to be copied, unless the database is packed in
between.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ZODB.POSException import POSError
from ZODB.scripts import repozo

from zopestack.backups import blobs, catalog
from zopestack.backups.catalog import Backup
from zopestack.backups.database import Database, Say
from zopestack.backups.databases import every
from zopestack.backups.failed import Failed, Problem
from zopestack.backups.progress import progress
from zopestack.model import Stack
from zopestack.wait import until

#: repozo names its files by the second, so two backups cannot begin in the same one.
SECOND = 2.0

#: What a backup ends with that cannot be made; the last is repozo's, of a file that became shorter.
PROBLEMS = (OSError, POSError, Problem, repozo.RepozoError, AssertionError)


def make(stack: Stack, say: Say) -> Backup:
    """Make a backup.

    :raises Failed: where it cannot be made; the earlier ones are as they were.
    """
    root = stack.backups.backup_directory
    work = root
    try:
        databases = every(stack)
        for each in databases:
            each.check()
        root.mkdir(mode=0o750, parents=True, exist_ok=True)
        catalog.clear(stack)
        previous = _previous(stack, databases)
        # Another stack may have one of this second.
        until(lambda: not (root / catalog.now()).exists(), SECOND)
        name = catalog.now()
        work = root / catalog.unfinished(stack, name)
        work.mkdir(mode=0o750)
        making = _Making(databases, previous, work, say)
        catalog.describe(work, stack, making.copy())
        # It counts when it is on the disk.
        os.sync()
        work.rename(root / name)
    except PROBLEMS as why:
        raise Failed(f"{_said(why, root)}; earlier backups are as they were") from why
    finally:
        if work != root:
            shutil.rmtree(work, ignore_errors=True)
    return next(each for each in catalog.own(stack) if each.directory.name == name)


@dataclass
class _Making:
    """A backup that is being made.

    :param previous: the one before, if there is one.
    :param work: its directory, until it is complete.
    """

    databases: list[Database]
    previous: Backup | None
    work: Path
    say: Say

    def copy(self) -> dict[str, int]:
        """Copy the databases, then their blobs; return how many there are of each.

        :raises Failed: where somebody packs meanwhile.
        """
        packed = {each.name: each.watch() for each in self.databases}
        try:
            for each in self.databases:
                self._database(each)
            counts = {each.name: self._blobs(each) for each in self.databases}
        except PROBLEMS:
            _check_unpacked(packed)
            raise
        _check_unpacked(packed)
        return counts

    def _database(self, database: Database) -> None:
        target = catalog.copy(self.work, database.name, database.kind)
        target.mkdir(mode=0o750, parents=True)
        earlier = self.previous.copy_of(database.name, database.kind) if self.previous else None
        database.copy(target, earlier, self.say)

    def _blobs(self, database: Database) -> int:
        if database.blobs is None:
            return 0
        target = catalog.blobs(self.work, database.name)
        target.mkdir(mode=0o750)
        earlier = self.previous.blobs_of(database.name) if self.previous else None
        count = 0
        with progress(self.say, lambda: f"{database.name}: {count} blobs copied"):
            for _ in blobs.copies(database.blobs, target, earlier):
                count += 1
        return count


def _check_unpacked(packed: dict[str, Callable[[], bool]]) -> None:
    # A pack deletes blobs that the copy may name.
    for name, is_packed in packed.items():
        if is_packed():
            raise Failed(
                f"{name} was packed meanwhile, but not by bin/pack, so this backup was given "
                "up; bin/pack waits for a backup, and a backup for it"
            )


def _previous(stack: Stack, databases: list[Database]) -> Backup | None:
    """The last backup, if one that begins now has a later name than all of its files.

    Otherwise the clock was set back, and repozo would take the parts of a database for those of
    another order.
    """
    earlier = catalog.own(stack)
    if not earlier:
        return None
    last = earlier[-1]
    copies = (last.copy_of(each.name, each.kind).glob("*") for each in databases)
    names = (file.stem for files in copies for file in files)
    latest = max([last.directory.name, *filter(catalog.NAMED.fullmatch, names)])
    return last if until(lambda: catalog.now() > latest, SECOND) else None


def _said(why: BaseException, root: Path) -> str:
    if isinstance(why, Problem):
        return str(why)
    return f"{root}: {getattr(why, 'strerror', None) or why or type(why).__name__}"
