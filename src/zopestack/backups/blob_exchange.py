"""Blobs of a backup that take the place of those of a database.

At every moment every blob is there that the database names: first those of the backup are added,
then the database is replaced, and then those are taken aside that only the one before had.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from zopestack.backups import blobs


class BlobExchange:
    """The blobs of one database.

    :param backup: where the backup has them.
    :param directory: where they belong.
    :param stamp: for the name of the directory of those that were there before.
    """

    def __init__(self, backup: Path, directory: Path, stamp: str) -> None:
        self.backup = backup
        # It may be a link to another disk.
        self.directory = directory.resolve()
        self.aside = self.directory.with_name(f"{self.directory.name}.before-restore-{stamp}")
        self.added: list[Path] = []
        #: Blobs that are there and are not those of the backup, by what takes their place.
        self.replaced: dict[Path, Path] = {}

    def prepare(self) -> None:
        """Add what is not there.

        :raises OSError: where one cannot be copied.
        """
        self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        for blob in self.backup.iterdir():
            target = self.directory / blobs.place(blob.name)
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
        """Remove what was added."""
        for file in self.added:
            file.unlink(missing_ok=True)

    def replace(self) -> None:
        """Put blobs of the backup in the place of those that are damaged, which are kept.

        :raises OSError: where that cannot be done.
        """
        for half, blob in self.replaced.items():
            self._take_aside(blob)
            half.rename(blob)

    def finish(self) -> Iterator[Path]:
        """Take aside what the backup does not have; return where what was there before is."""
        for blob in list(blobs.found(self.directory)):
            if not (self.backup / blobs.name(blob.relative_to(self.directory))).exists():
                self._take_aside(blob)
        if self.aside.exists():
            yield self.aside

    def _take_aside(self, blob: Path) -> None:
        target = self.aside / blob.relative_to(self.directory)
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        blob.rename(target)
