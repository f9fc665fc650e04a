"""Where a database is copied to: what it takes to begin, to finish, and to undo what was begun."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ZODB.POSException import POSKeyError
from ZODB.utils import z64

from zopestack.backups.failed import Failed
from zopestack.copying.storages import Storage
from zopestack.initial.tables import incomplete

Say = Callable[[str], None]

#: A FileStorage without transactions has its magic bytes only (ZODB, ``FileStorage/format``).
EMPTY_BYTES = 4

#: What a storage writes into an empty directory of blobs: a file, and a directory for blobs on
#: their way (ZODB, ``blob.py``).
LAYOUT, TEMPORARY = ".layout", "tmp"


def target(described: Storage, source: Storage, stamp: str) -> Target:
    """The target that a storage is.

    :param source: what will be copied.
    :param stamp: a part of the names of what is kept.
    """
    if file := described.file:
        return _File(described, source, stamp, file)
    return (_Relational if described.relational else _Server)(described, source, stamp)


class Target(ABC):
    """A storage that something is copied to."""

    def __init__(self, described: Storage, source: Storage, stamp: str) -> None:
        self.name = described.name
        self.described = described
        self.stamp = stamp
        #: Blobs that the source has there already stay there.
        self.in_place = described.own_blobs is not None and described.own_blobs == source.own_blobs
        self.storage: Any = None

    @abstractmethod
    def has(self) -> str:
        """What is in it, in words; nothing where it is empty.

        :raises Failed: where it cannot be opened.
        """

    def check_clear(self) -> None:  # noqa: B027
        """Check that it is a kind that can be emptied.

        :raises Failed: where it is not.
        """

    @abstractmethod
    def clear(self, say: Say) -> None:
        """Empty it, and say what is kept where."""

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """The storage, open as long as the block lasts.

        :raises Failed: where it cannot be opened.
        """
        storage = self.described.open()
        try:
            yield storage
        finally:
            storage.close()

    def open(self) -> Any:
        """The storage, to copy to.

        :raises Failed: where it cannot be opened.
        """
        self.storage = self.described.open()
        return self.storage

    def finish(self) -> None:
        """All is copied."""
        self.close()

    @abstractmethod
    def undo(self) -> None:
        """Empty it again.

        :raises Failed: where that cannot be done.
        """

    def close(self) -> None:
        """Close it, if it is open."""
        storage, self.storage = self.storage, None
        if storage is not None:
            storage.close()


class _File(Target):
    """A file that ZEO of this stack serves. It has its name when all is copied."""

    def __init__(self, described: Storage, source: Storage, stamp: str, file: Path) -> None:
        super().__init__(described, source, stamp)
        self.path = file
        self.half = self.path.with_name(f"{self.path.name}.copying")
        self.finished = False
        self.blobs = None if self.in_place else described.own_blobs

    def has(self) -> str:
        if self.half.exists():
            return "the half of a copy that was killed"
        if self._filled():
            return f"a database in {self.path}"
        return f"blobs in {self.blobs}" if any(self._entries()) else ""

    def _entries(self) -> Iterator[Path]:
        """What the directory of blobs has."""
        if self.blobs and self.blobs.is_dir():
            ignored = (LAYOUT, TEMPORARY)
            yield from (each for each in self.blobs.iterdir() if each.name not in ignored)

    def _filled(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > EMPTY_BYTES

    def clear(self, say: Say) -> None:
        # Blobs beside a half alone are its own.
        if self._filled() or not self.half.exists():
            self._keep(say)
        self.undo()

    def _keep(self, say: Say) -> None:
        aside = self.path.with_name(f"{self.path.name}.before-copy-{self.stamp}")
        if self.path.exists():
            self.path.rename(aside)
            self.path.with_name(f"{self.path.name}.index").unlink(missing_ok=True)
            say(f"what was there before is in {aside}")
        if self.blobs and (entries := list(self._entries())):
            beside = self.blobs.with_name(f"{self.blobs.name}.before-copy-{self.stamp}")
            beside.mkdir(mode=0o700)
            for each in entries:
                each.rename(beside / each.name)
            say(f"what was there before is in {beside}")

    def open(self) -> Any:
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self.described.config.path = str(self.half)
        if self.in_place:
            self.described.config.blob_dir = None
        return super().open()

    def finish(self) -> None:
        super().finish()
        os.sync()
        index, new = (each.with_name(f"{each.name}.index") for each in (self.path, self.half))
        index.unlink(missing_ok=True)
        self.half.replace(self.path)
        self.finished = True
        if new.exists():
            new.replace(index)
        self._tidy()

    def undo(self) -> None:
        self.close()
        for each in self._entries():
            shutil.rmtree(each)
        (self.path if self.finished else self.half).unlink(missing_ok=True)
        self._tidy()

    def _tidy(self) -> None:
        for each in self.half.parent.glob(f"{self.half.name}.*"):
            each.unlink()


class _Relational(Target):
    """A database of RelStorage.

    Its blobs may be in a directory where other databases have theirs, so those of a database that
    is emptied stay there, but for those that were copied.
    """

    def __init__(self, described: Storage, source: Storage, stamp: str) -> None:
        super().__init__(described, source, stamp)
        self.added: list[tuple[bytes, bytes]] = []

    def open(self) -> Any:
        storage = super().open()
        if self.described.own_blobs:
            restore = storage.restoreBlob

            def restore_blob(oid: bytes, tid: bytes, *more: Any) -> Any:
                if not os.path.exists(self._blob(storage, oid, tid)):  # noqa: PTH110
                    self.added.append((oid, tid))
                return restore(oid, tid, *more)

            storage.restoreBlob = restore_blob
        return storage

    @staticmethod
    def _blob(storage: Any, oid: bytes, tid: bytes) -> str:
        return str(storage.blobhelper.fshelper.getBlobFilename(oid, tid))

    def has(self) -> str:
        with self.opened() as storage:
            if incomplete(storage):
                return "incomplete tables, since the process that made them was killed"
            return "" if empty(storage) else "a database"

    def clear(self, say: Say) -> None:
        self.undo()

    def undo(self) -> None:
        self.close()
        with self.opened() as storage:
            storage.zap_all()
            for oid, tid in self.added:
                Path(self._blob(storage, oid, tid)).unlink(missing_ok=True)


class _Server(Target):
    """A ZEO server elsewhere."""

    def has(self) -> str:
        with self.opened() as storage:
            return "" if empty(storage) else "a database"

    def check_clear(self) -> None:
        self.undo()

    def clear(self, say: Say) -> None:
        self.undo()

    def open(self) -> Any:
        storage = super().open()
        storage.restoreBlob = partial(_restore_blob, storage, {})
        return storage

    def undo(self) -> None:
        self.close()
        raise Failed(
            f"{self.name}: ZEO cannot empty a database; where it runs, stop it, delete the file "
            "and the blobs of this database, and start it"
        )


def empty(storage: Any) -> bool:
    """Whether an open storage has no transaction."""
    try:
        storage.load(z64, "")
    except POSKeyError:
        return bool(storage.lastTransaction() == z64)
    return False


def _restore_blob(
    client: Any,
    serials: dict[bytes, bytes],
    oid: bytes,
    tid: bytes,
    data: bytes,
    file: str,
    previous: bytes | None,
    transaction: Any,
) -> None:
    """What a client of ZEO does not have: store a blob in a transaction that has its id.

    :param serials: the last revision of each blob.
    """
    client.storeBlob(oid, serials.get(oid, z64), data, file, "", transaction)
    serials[oid] = tid
