"""Make a backup of every database of a stack that may run meanwhile.

repozo copies a database up to its last transaction, and after the first time only what has been
added. Blobs come after all databases: a blob is in its place before its transaction ends (ZODB,
``FileStorage.storeBlob``), and it is never changed, so every blob that the copy of a database names
is there to be copied, unless the database is packed in between.

collective.recipe.backup runs repozo, too, but keeps databases and blobs as two series, and has no
lock against a pack.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ZODB.POSException import POSError
from ZODB.scripts import repozo

from zopestack.backups import blobs, catalog
from zopestack.backups.catalog import Backup
from zopestack.backups.failed import Failed
from zopestack.backups.progress import megabytes, progress
from zopestack.model import Stack
from zopestack.paths import FileStorage
from zopestack.wait import until

Say = Callable[[str], None]

#: repozo names its files by the second, so two backups cannot begin in the same one.
SECOND = 2.0

#: What a backup ends with that cannot be made; the last is repozo's, of a file that became shorter.
PROBLEMS = (OSError, POSError, repozo.RepozoError, AssertionError)


def make(stack: Stack, say: Say) -> Backup:
    """Make a backup.

    :raises Failed: where it cannot be made; the earlier ones are as they were.
    """
    for each in stack.filestorages:
        if not each.path.exists():
            raise Failed(f"there is no database at {each.path}; scripts/up makes one")
    root = stack.backups.backup_directory
    work = root
    try:
        root.mkdir(mode=0o750, parents=True, exist_ok=True)
        catalog.clear(stack)
        previous = _previous(stack)
        # Another stack may have one of this second.
        until(lambda: not (root / catalog.now()).exists(), SECOND)
        name = catalog.now()
        work = root / catalog.unfinished(stack, name)
        work.mkdir(mode=0o750)
        making = _Making(stack, previous, work, say)
        catalog.describe(work, stack, making.copy())
        # It counts when it is on the disk.
        os.sync()
        work.rename(root / name)
    except PROBLEMS as why:
        raise Failed(f"{root}: {_said(why)}; earlier backups are as they were") from why
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

    stack: Stack
    previous: Backup | None
    work: Path
    say: Say

    def copy(self) -> dict[str, int]:
        """Copy the databases, then their blobs; return how many there are of each.

        :raises Failed: where somebody packs meanwhile.
        """
        before = self._files()
        try:
            for each in self.stack.filestorages:
                self._database(each)
            counts = {each.name: self._blobs(each) for each in self.stack.filestorages}
        except PROBLEMS:
            self._check_unpacked(before)
            raise
        self._check_unpacked(before)
        return counts

    def _files(self) -> dict[str, int]:
        return {each.name: each.path.stat().st_ino for each in self.stack.filestorages}

    def _check_unpacked(self, before: dict[str, int]) -> None:
        # A pack puts another file in the place of the database's, and deletes blobs that the copy
        # may name.
        for name, file in self._files().items():
            if file != before[name]:
                raise Failed(
                    f"{name} was packed meanwhile, but not by bin/pack, so this backup was given "
                    "up; bin/pack waits for a backup, and a backup for it"
                )

    def _database(self, database: FileStorage) -> None:
        target = catalog.filestorage(self.work, database.name)
        target.mkdir(mode=0o750, parents=True)
        if self.previous:
            _continue(
                self.previous.filestorage(database.name), target, self.stack.backups.full_every
            )
        # -Q compares the last part that was copied, and not all of them, with the database.
        # -k drops here what a full copy replaces.
        options = ["-B", "-Q", "-k", "-r", str(target), "-f", str(database.path)]
        with progress(self.say, lambda: f"{database.name}: {megabytes(_growing(target))} copied"):
            repozo.do_backup(repozo.parseargs(options))

    def _blobs(self, database: FileStorage) -> int:
        target = catalog.blobs(self.work, database.name)
        target.mkdir(mode=0o750)
        earlier = self.previous.blobs_of(database.name) if self.previous else None
        count = 0
        with progress(self.say, lambda: f"{database.name}: {count} blobs copied"):
            for source in blobs.found(database.blobs):
                name = blobs.name(source.relative_to(database.blobs))
                old = earlier / name if earlier else None
                # A transaction that was aborted has taken its blob back.
                with suppress(FileNotFoundError):
                    # One that is not alike is damaged, here or there.
                    same = old if old and blobs.alike(old, source) else None
                    _link_or_copy(same, source, target / name)
                    count += 1
        return count


def _previous(stack: Stack) -> Backup | None:
    """The last backup, if one that begins now has a later name than all of its files.

    Otherwise the clock was set back, and repozo would take the parts of a database for those of
    another order.
    """
    earlier = catalog.own(stack)
    if not earlier:
        return None
    parts = (earlier[-1].filestorage(each.name).glob("*") for each in stack.filestorages)
    latest = max([earlier[-1].directory.name, *(file.stem for files in parts for file in files)])
    return earlier[-1] if until(lambda: catalog.now() > latest, SECOND) else None


def _continue(old: Path, new: Path, most: int) -> None:
    """Have repozo find what is copied already, unless it rests on one full copy for too long.

    :param most: backups that may rest on one.
    """
    data = sorted(file for file in old.glob("*") if repozo.is_data_file(file.name))
    if not data or len(data) >= most:
        return
    # Its index, with which the database opens at once.
    for file in (*data, data[-1].with_suffix(".index")):
        if file.exists():
            _link_or_copy(file, file, new / file.name)
    # repozo appends to these.
    for file in old.glob("*.dat"):
        shutil.copy2(file, new / file.name)


def _link_or_copy(old: Path | None, source: Path, target: Path) -> None:
    """Give the file of an earlier backup a second name, or else copy the source.

    :raises OSError: where neither can be done.
    """
    if old:
        # The file system may have no hard links, or no more of them.
        with suppress(OSError):
            os.link(old, target)
            return
    shutil.copy2(source, target)


def _growing(directory: Path) -> int:
    """Bytes of what repozo is writing (its ``copyfile``)."""
    with suppress(OSError):
        return (directory / "tmp.tmp").stat().st_size
    return 0


def _said(why: BaseException) -> str:
    return str(getattr(why, "strerror", None) or why or type(why).__name__)
