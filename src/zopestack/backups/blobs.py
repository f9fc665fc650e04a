"""The files of a blob directory, and their names in a backup.

ZODB keeps each blob in a directory of its own, or in eight. A directory takes 4 kB in every backup,
where another name of a file takes 0.1 kB, so a backup has all blobs in one directory
(docs/explanation/measured.rst, "Backups").
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ZODB.blob import BLOB_SUFFIX, LAYOUT_MARKER

from zopestack.backups.links import link_or_copy

#: Of a blob directory, what belongs to no transaction (ZODB, ``blob.py``).
TRANSIENT = ("tmp", ".removed")

#: Stands for the separator of directories; no name of ZODB's has it.
SEPARATOR = ","


def found(directory: Path) -> Iterator[Path]:
    """Every file that belongs to a transaction, and the note of the layout."""
    for path, directories, names in os.walk(directory):
        here = Path(path)
        if here == directory:
            directories[:] = set(directories).difference(TRANSIENT)
        # Beside it is what RelStorage writes before a transaction has its number.
        yield from (here / name for name in names if name.endswith((BLOB_SUFFIX, LAYOUT_MARKER)))


def name(place: Path) -> str:
    """The name of a blob in a backup.

    :param place: relative to its blob directory.
    """
    return str(place).replace(os.sep, SEPARATOR)


def place(name: str) -> Path:
    """Where a blob of a backup belongs, relative to its blob directory."""
    return Path(name.replace(SEPARATOR, os.sep))


def names(directory: Path) -> set[str]:
    """The names that the blobs of a directory would have in a backup."""
    return {name(each.relative_to(directory)) for each in found(directory)}


def copies(directory: Path, target: Path, earlier: Path | None) -> Iterator[Path]:
    """Copy every blob of a directory, and yield each that is done.

    :param earlier: where the backup before has its blobs, which get a second name.
    :raises OSError: where one cannot be copied.
    """
    for source in found(directory):
        called = name(source.relative_to(directory))
        old = earlier / called if earlier else None
        # A transaction that was aborted has taken its blob back.
        with suppress(FileNotFoundError):
            # One that is not alike is damaged, here or there.
            link_or_copy(old if old and alike(old, source) else None, source, target / called)
            yield target / called


def alike(one: Path, other: Path) -> bool:
    """Whether both files are there, with one size and time, which is all that rsync looks at."""
    try:
        first, second = one.stat(), other.stat()
    except FileNotFoundError:
        return False
    return (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)
