"""Put a backup in the place of the databases of a stack that is stopped.

What was there before is kept beside it under another name. At every moment there is a whole
database in its place, and every blob that it names: first the blobs of the backup are added, then
the database is replaced in one step, and then the blobs are taken aside that only the one before
had. So a restore that is killed has changed nothing, or can be run again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

from zc.lockfile import LockError, LockFile
from ZODB.scripts import repozo

from zopestack.backups import blobs, catalog
from zopestack.backups.catalog import Backup
from zopestack.backups.failed import Failed
from zopestack.backups.make import PROBLEMS
from zopestack.backups.progress import megabytes, progress
from zopestack.model import Stack
from zopestack.paths import FileStorage

Say = Callable[[str], None]


def restore(
    stack: Stack,
    backup: Backup,
    say: Say,
    undisturbed: Callable[[], AbstractContextManager[None]],
) -> list[Path]:
    """Restore a backup.

    :param undisturbed: lets nothing interrupt a block: the one that puts everything in place.
    :returns: where what was there before is now.
    :raises Failed: where that is not possible; then everything is as it was.
    """
    _check(stack, backup)
    stamp = catalog.now()
    with ExitStack() as held:
        try:
            for each in stack.filestorages:
                each.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
                # FileStorage holds the same lock.
                held.callback(LockFile(f"{each.path}.lock").close)
        except LockError as why:
            raise Failed(f"another program has {each.path} open") from why
        exchanges = [_Exchange(each, backup, stamp, say) for each in stack.filestorages]
        try:
            for exchange in exchanges:
                exchange.prepare()
            os.sync()
        except BaseException as why:
            for exchange in exchanges:
                exchange.undo()
            # The last two are repozo's, of a damaged list of checksums.
            if isinstance(why, (*PROBLEMS, KeyError, ValueError)):
                said = getattr(why, "strerror", None) or why
                raise Failed(f"{backup.directory}: {said}; nothing was changed") from why
            raise
        with undisturbed():
            try:
                return [aside for exchange in exchanges for aside in exchange.finish()]
            except OSError as why:
                raise Failed(f"{why}; mend that and run bin/restore again") from why


def _check(stack: Stack, backup: Backup) -> None:
    for each in stack.filestorages:
        if not backup.filestorage(each.name).is_dir() or each.name not in backup.counts:
            raise Failed(f"{backup.directory} has no database {each.name}")
        count = sum(1 for _ in backup.blobs_of(each.name).iterdir())
        if count != backup.counts[each.name]:
            raise Failed(
                f"{backup.directory} is damaged: it has {count} blobs of {each.name}, of "
                f"{backup.counts[each.name]}"
            )


class _Exchange:
    """One database, and the one that takes its place."""

    def __init__(self, database: FileStorage, backup: Backup, stamp: str, say: Say) -> None:
        self.name = database.name
        # The file and the directory may be links to another disk.
        self.path = database.path.resolve()
        self.blobs = database.blobs.resolve()
        self.backup = backup
        self.say = say
        self.new = self.path.with_name(f"{self.path.name}.restoring")
        self.aside = self.path.with_name(f"{self.path.name}.before-restore-{stamp}")
        self.blobs_aside = self.blobs.with_name(f"{self.blobs.name}.before-restore-{stamp}")
        self.added: list[Path] = []
        #: Blobs that are there and are not those of the backup, by what takes their place.
        self.replaced: dict[Path, Path] = {}

    def prepare(self) -> None:
        """Copy everything to where it is needed, and change nothing."""
        part = self.new.with_name(f"{self.new.name}.part")
        source = str(self.backup.filestorage(self.name))

        def copied() -> str:
            with suppress(OSError):
                return f"{self.name}: {megabytes(part.stat().st_size)} restored"
            return f"{self.name}: {len(self.added)} blobs restored"

        with progress(self.say, copied):
            # -w compares what it reads with the checksums of the backup.
            repozo.do_recover(repozo.parseargs(["-R", "-w", "-r", source, "-o", str(self.new)]))
            self._add_blobs()

    def _add_blobs(self) -> None:
        self.blobs.mkdir(mode=0o750, parents=True, exist_ok=True)
        for blob in self.backup.blobs_of(self.name).iterdir():
            target = self.blobs / blobs.place(blob.name)
            if blobs.alike(blob, target):
                continue
            target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            half = target.with_name(f"{target.name}.restoring")
            self.added.append(half)
            shutil.copy2(blob, half)
            if target.exists():
                self.replaced[half] = target
            else:
                half.rename(target)
                self.added[-1] = target

    def undo(self) -> None:
        """Remove what was prepared."""
        for file in (*self.added, self.new, *self.new.parent.glob(f"{self.new.name}.*")):
            file.unlink(missing_ok=True)

    def finish(self) -> Iterator[Path]:
        """Put it in place; return where what was there before is."""
        if self.path.exists():
            _keep(self.path, self.aside)
            yield self.aside
        for half, blob in self.replaced.items():
            self._take_aside(blob)
            half.rename(blob)
        index, new_index = (file.with_name(f"{file.name}.index") for file in (self.path, self.new))
        # The database opens without one, but not with another one's.
        index.unlink(missing_ok=True)
        self.new.replace(self.path)
        if new_index.exists():
            new_index.replace(index)
        kept = self.backup.blobs_of(self.name)
        for blob in list(blobs.found(self.blobs)):
            if not (kept / blobs.name(blob.relative_to(self.blobs))).exists():
                self._take_aside(blob)
        if self.blobs_aside.exists():
            yield self.blobs_aside

    def _take_aside(self, blob: Path) -> None:
        target = self.blobs_aside / blob.relative_to(self.blobs)
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        blob.rename(target)


def _keep(file: Path, name: Path) -> None:
    """Give a file a second name, or another one where the file system has no hard links."""
    try:
        os.link(file, name)
    except OSError:
        file.rename(name)
