"""Copy databases from one storage to another: all of them, or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ZODB.blob import copyTransactionsFromTo, is_blob_record

from zopestack import files
from zopestack.backups.failed import Failed
from zopestack.backups.progress import megabytes, progress
from zopestack.copying import relational
from zopestack.copying.storages import Storage, expected, line
from zopestack.copying.target import Target, empty, target

Say = Callable[[str], None]

#: How to begin again.
CLEAR = "bin/copy-storage --clear"


@dataclass(frozen=True)
class Pair:
    """A database, where it is and where it will be."""

    source: Storage
    target: Storage


@dataclass(frozen=True)
class Manner:
    """How to copy.

    :param stamp: a part of the names of what is kept.
    :param clear: whether to empty what is not empty.
    :param undisturbed: lets nothing interrupt a block.
    :param begun: a file that is there until all is copied, or nothing.
    """

    stamp: str
    clear: bool
    say: Say
    undisturbed: Callable[[], AbstractContextManager[None]]
    begun: Path


@dataclass
class Count:
    """What was copied so far.

    :ivar left: blobs that were not.
    """

    records: int = 0
    blobs: int = 0
    size: int = 0
    left: int = 0

    def __str__(self) -> str:
        return f"{self.records:,} records and {self.blobs:,} blobs, {megabytes(self.size)}"


def copy(pairs: Sequence[Pair], how: Manner) -> None:
    """Copy databases; the sources stay as they are.

    :raises Failed: where that cannot be done. Then the targets are empty, or as they were.
    """
    _check_places(pairs)
    with ExitStack() as held:
        opened = []
        for pair in pairs:
            held.enter_context(pair.source.held())
            held.enter_context(pair.target.held())
            with progress(how.say, lambda: f"{pair.source.name}: opening"):  # noqa: B023
                source = pair.source.open_source()
                held.callback(source.close)
                if empty(source):
                    raise Failed(f"{pair.source.name}: there is nothing to copy")
                opened.append((source, target(pair.target, pair.source, how.stamp)))
        _check_databases(opened)
        _make_room([each for _, each in opened], how)
        try:
            for source, to in opened:
                _copy(source, to, how.say)
            with how.undisturbed():
                for _, to in opened:
                    to.finish()
        except BaseException as why:
            with how.undisturbed():
                left = _undone([to for _, to in opened], how.begun)
            if expected(why):
                raise Failed(f"{line(why)}; {left}") from why
            how.say(left)
            raise
        how.begun.unlink()


def _check_places(pairs: Sequence[Pair]) -> None:
    for source in (pair.source for pair in pairs):
        for other in (pair.target for pair in pairs):
            if source.place == other.place:
                raise Failed(f"{source.name}: the source and the target are the same")


def _check_databases(opened: Sequence[tuple[Any, Target]]) -> None:
    """The same, of relational databases, whose addresses may be written in many ways."""
    sources = [source for source, _ in opened if hasattr(source, "_adapter")]
    for to in (to for _, to in opened if to.described.relational):
        with to.opened() as storage:
            for source in sources:
                kind = type(source._adapter)
                if type(storage._adapter) is kind and relational.same(
                    source._adapter, storage._adapter
                ):
                    raise Failed(f"{to.name}: the source and the target are the same")


def _make_room(targets: Sequence[Target], how: Manner) -> None:
    """Have every target empty, and note that copying has begun.

    :raises Failed: where one is not, and may not be emptied.
    """
    filled = {to.name: what for to in targets if (what := to.has())}
    killed = how.begun.exists()
    if filled and not how.clear:
        found = "; ".join(f"{name} has {what}" for name, what in filled.items())
        why = ", left by a copy that was killed" if killed else ""
        raise Failed(f"the target is not empty{why}: {found}. {CLEAR} empties it")
    emptied = [to for to in targets if to.name in filled]
    for to in emptied:
        to.check_clear()
    files.write(how.begun, "", mode=0o600)
    for to in emptied:
        try:
            to.clear(how.say)
        except Exception as why:
            if not expected(why):
                raise
            raise Failed(f"{to.name}: {line(why)}; {CLEAR} goes on") from why


def _copy(source: Any, to: Target, say: Say) -> None:
    storage, count = to.open(), Count()
    _have_counted(storage, count)
    with progress(say, lambda: f"{to.name}: {count} copied"):
        if to.described.server:
            # ZEO's own leaves the blobs out.
            copyTransactionsFromTo(source, storage)
        else:
            storage.copyTransactionsFrom(source)
    # RelStorage copies objects, not transactions, where it keeps no history.
    history = getattr(storage, "keep_history", True)
    if history and storage.lastTransaction() != source.lastTransaction():
        raise Failed(f"{to.name}: the last transaction is missing")
    say(f"{to.name}: {count} copied")
    if count.left:
        why = "stay where they are" if to.in_place else "are missing in the source, too"
        say(f"{to.name}: {count.left:,} blobs {why}")


def _have_counted(storage: Any, count: Count) -> None:
    """Have a storage count what is copied to it."""
    restore, restore_blob = storage.restore, storage.restoreBlob

    def counted(oid: bytes, tid: bytes, data: bytes | None, *more: Any) -> Any:
        done = restore(oid, tid, data, *more)
        count.records += 1
        count.size += len(data or b"")
        count.left += bool(data and is_blob_record(data))
        return done

    def counted_blob(oid: bytes, tid: bytes, data: bytes, file: str, *more: Any) -> Any:
        # It may count the record itself.
        before, size = replace(count), os.stat(file).st_size  # noqa: PTH116
        done = restore_blob(oid, tid, data, file, *more)
        count.records, count.blobs = before.records + 1, before.blobs + 1
        count.size, count.left = before.size + len(data) + size, before.left
        return done

    storage.restore, storage.restoreBlob = counted, counted_blob


def _undone(targets: Sequence[Target], begun: Path) -> str:
    """Empty every target; what has become of them, in words."""
    problems = []
    for to in targets:
        try:
            to.undo()
        # Whatever a driver raises; the others are to be emptied all the same.
        except Exception as why:
            problems.append(line(why))
    if problems:
        return f"{'; '.join(problems)}. The target has a half of it: {CLEAR} empties it"
    begun.unlink()
    return "the target is empty again, and the source as it was"
