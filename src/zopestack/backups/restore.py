"""Put a backup in the place of the databases of a stack that is stopped.

What was there before is kept beside it under another name. At every moment there is a whole
database in its place, and every blob that it names. So a restore that is killed has changed
nothing, or can be run again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from zopestack.backups import catalog
from zopestack.backups.blob_exchange import BlobExchange
from zopestack.backups.catalog import Backup
from zopestack.backups.database import Database, Exchange, Say
from zopestack.backups.databases import every
from zopestack.backups.failed import Failed, Problem
from zopestack.backups.make import PROBLEMS
from zopestack.backups.progress import progress
from zopestack.model import Stack


def restore(
    stack: Stack,
    backup: Backup,
    say: Say,
    undisturbed: Callable[[], AbstractContextManager[None]],
) -> list[Path | str]:
    """Restore a backup.

    :param undisturbed: lets nothing interrupt a block: the one that puts everything in place.
    :returns: where what was there before is now.
    :raises Failed: where that is not possible; then everything is as it was.
    """
    databases = every(stack)
    for each in databases:
        _check(backup, each)
    stamp = catalog.now()
    restorings = [_restoring(each, backup, stamp, say) for each in databases]
    with ExitStack() as held:
        try:
            for restoring in restorings:
                restoring.prepare(held)
            os.sync()
        except BaseException as why:
            for restoring in restorings:
                restoring.undo()
            if isinstance(why, PROBLEMS):
                raise Failed(f"{_said(why, backup)}; nothing was changed") from why
            raise
        with undisturbed():
            try:
                return [aside for restoring in restorings for aside in restoring.finish()]
            except (OSError, Problem) as why:
                raise Failed(f"{why}; mend that and run bin/restore again") from why


def _check(backup: Backup, database: Database) -> None:
    name = database.name
    if name not in backup.counts:
        raise Failed(f"{backup.directory} has no database {name}")
    if (kind := backup.kind_of(name)) != database.kind:
        raise Failed(
            f"{backup.directory} has {name} as {kind}, and this stack keeps it as {database.kind}: "
            "restore it into a stack with the same storage"
        )
    blobs = backup.blobs_of(name)
    if blobs.is_dir() != (database.blobs is not None):
        raise Failed(
            f"{backup.directory} has the blobs of {name} in "
            f"{'files' if blobs.is_dir() else 'the database'}, and this stack has not: change "
            "shared-blob-dir"
        )
    count = sum(1 for _ in blobs.iterdir()) if blobs.is_dir() else 0
    if count != backup.counts[name]:
        raise Failed(
            f"{backup.directory} is damaged: it has {count} blobs of {name}, of "
            f"{backup.counts[name]}"
        )


def _restoring(database: Database, backup: Backup, stamp: str, say: Say) -> _Restoring:
    exchange = database.exchange(backup.copy_of(database.name, database.kind), stamp, say)
    if database.blobs is None:
        return _Restoring(database.name, exchange, None, say)
    blobs = BlobExchange(backup.blobs_of(database.name), database.blobs, stamp)
    return _Restoring(database.name, exchange, blobs, say)


@dataclass(frozen=True)
class _Restoring:
    """One database with its blobs, and what takes their place."""

    name: str
    database: Exchange
    blobs: BlobExchange | None
    say: Say

    def prepare(self, held: ExitStack) -> None:
        self.database.prepare(held)
        if blobs := self.blobs:
            with progress(self.say, lambda: f"{self.name}: {len(blobs.added)} blobs restored"):
                blobs.prepare()

    def undo(self) -> None:
        if self.blobs:
            self.blobs.undo()
        self.database.undo()

    def finish(self) -> Iterator[Path | str]:
        if self.blobs:
            self.blobs.replace()
        yield from self.database.put()
        if self.blobs:
            yield from self.blobs.finish()


def _said(why: BaseException, backup: Backup) -> str:
    if isinstance(why, Problem):
        return str(why)
    return f"{backup.directory}: {getattr(why, 'strerror', None) or why}"
