"""A database in a FileStorage, which ZEO of the stack serves.

repozo copies it up to its last transaction, and after the first time only what has been added.

collective.recipe.backup runs repozo, too, but keeps databases and blobs as two series, and has no
lock against a pack.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from zc.lockfile import LockError, LockFile
from ZODB.POSException import POSError
from ZODB.scripts import repozo

from zopestack import paths, zeo_tls
from zopestack.backups.database import Database, Exchange, Say
from zopestack.backups.failed import Failed
from zopestack.backups.links import keep, link_or_copy
from zopestack.backups.progress import megabytes, progress, size
from zopestack.model import Stack

#: Seconds for ZEO to answer.
CONNECT = 10


class FileStorage(Database):
    """One of the databases of ZEO."""

    kind = "filestorage"

    def __init__(self, stack: Stack, files: paths.FileStorage) -> None:
        self.stack = stack
        self.name = files.name
        self.path = files.path
        self.blobs = files.blobs

    def check(self) -> None:
        """Check that it is there."""
        if not self.path.exists():
            raise Failed(f"there is no database at {self.path}; scripts/up makes one")

    def watch(self) -> Callable[[], bool]:
        """What tells whether it is packed: a pack puts another file in its place."""
        before = self.path.stat().st_ino
        return lambda: self.path.stat().st_ino != before

    def copy(self, target: Path, previous: Path | None, say: Say) -> None:
        """Copy it with repozo, on top of what earlier backups have."""
        if previous:
            _continue(previous, target, self.stack.backups.full_every)
        # -Q compares the last part that was copied, and not all of them, with the database.
        # -k drops here what a full copy replaces.
        options = ["-B", "-Q", "-k", "-r", str(target), "-f", str(self.path)]
        # What repozo is writing (its ``copyfile``).
        part = target / "tmp.tmp"
        with progress(say, lambda: f"{self.name}: {megabytes(size(part))} copied"):
            repozo.do_backup(repozo.parseargs(options))

    def pack(self, days: int, say: Say, called: str) -> None:
        """Have ZEO pack it, and wait for the end."""
        before = self.path.stat().st_size
        with progress(say, self._written):
            self._have_packed(called, days)
        after = self.path.stat().st_size
        say(f"{self.name}: {megabytes(before)} before, {megabytes(after)} now")

    def _have_packed(self, called: str, days: int) -> None:
        # With other storages, it is not among the eggs.
        from ZEO.ClientStorage import ClientStorage
        from ZEO.Exceptions import ClientDisconnected, ServerException

        zeo = self.stack.storage
        address = zeo.zeo_address
        server = address.host, address.port
        options: dict[str, Any] = {"storage": called, "wait_timeout": CONNECT, "read_only": True}
        if given := zeo.ssl_of_client:
            options["ssl"] = zeo_tls.context(given)
            options["ssl_server_hostname"] = zeo.zeo_server_hostname or None
        try:
            storage = ClientStorage(server, **options)
            try:
                storage.pack(days=days, wait=True)
            finally:
                storage.close()
        except ClientDisconnected as why:
            raise Failed(f"zeo does not answer at {address}: bin/supervisorctl status zeo") from why
        except (POSError, ServerException) as why:
            raise Failed(f"{called}: {why}; see bin/supervisorctl tail zeo") from why

    def _written(self) -> str:
        """How far the new file is that a pack writes (ZODB, ``fspack.py``)."""
        new = self.path.with_name(f"{self.path.name}.pack")
        return f"{self.name}: {megabytes(size(new))} written"

    def exchange(self, copy: Path, stamp: str, say: Say) -> Exchange:
        """What puts a copy in the place of the file."""
        return _Exchange(self, copy, stamp, say)


class _Exchange(Exchange):
    def __init__(self, database: FileStorage, copy: Path, stamp: str, say: Say) -> None:
        self.name = database.name
        # The file may be a link to another disk.
        self.path = database.path.resolve()
        self.copy = copy
        self.say = say
        self.new = self.path.with_name(f"{self.path.name}.restoring")
        self.aside = self.path.with_name(f"{self.path.name}.before-restore-{stamp}")

    def prepare(self, held: ExitStack) -> None:
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            # FileStorage holds the same lock.
            held.callback(LockFile(f"{self.path}.lock").close)
        except LockError as why:
            raise Failed(f"another program has {self.path} open") from why
        with progress(self.say, self._copied):
            try:
                # -w compares what it reads with the checksums of the backup.
                options = ["-R", "-w", "-r", str(self.copy), "-o", str(self.new)]
                repozo.do_recover(repozo.parseargs(options))
            # repozo's, of a damaged list of checksums.
            except (KeyError, ValueError) as why:
                raise repozo.VerificationFail(str(why)) from why

    def _copied(self) -> str:
        part = self.new.with_name(f"{self.new.name}.part")
        return f"{self.name}: {megabytes(size(part))} restored"

    def undo(self) -> None:
        for file in (self.new, *self.new.parent.glob(f"{self.new.name}.*")):
            file.unlink(missing_ok=True)

    def put(self) -> Iterator[Path | str]:
        if self.path.exists():
            keep(self.path, self.aside)
            yield self.aside
        index, new_index = (file.with_name(f"{file.name}.index") for file in (self.path, self.new))
        # The database opens without one, but not with another one's.
        index.unlink(missing_ok=True)
        self.new.replace(self.path)
        if new_index.exists():
            new_index.replace(index)


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
            link_or_copy(file, file, new / file.name)
    # repozo appends to these.
    for file in old.glob("*.dat"):
        shutil.copy2(file, new / file.name)
