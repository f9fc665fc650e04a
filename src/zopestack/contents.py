"""What is in a directory, to notice that it has changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: Directories that change while code stays as it is.
IGNORED = {"__pycache__", ".git", ".hg", ".svn", "CVS"}

#: What Python compiles.
COMPILED = ".pyc"


def state(place: Path) -> str:
    """A digest of the names, sizes and times of change of a file, or of all files in a directory;
    that of nothing where there is none.
    """
    digest = hashlib.sha256()
    for line in _known(str(place)) if place.is_dir() else _file(place):
        digest.update(os.fsencode(line))
    return digest.hexdigest()


def _known(place: str) -> Iterator[str]:
    left = [place]
    while left:
        directory = left.pop()
        yield f"{directory.removeprefix(place)}\n"
        # It may be removed meanwhile.
        with suppress(OSError), os.scandir(directory) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in IGNORED:
                        left.append(entry.path)
                elif not entry.name.endswith(COMPILED):
                    with suppress(FileNotFoundError):  # a link to nothing
                        found = entry.stat()
                        yield f"{entry.name} {found.st_size} {found.st_mtime_ns}\n"


def _file(path: Path) -> Iterator[str]:
    with suppress(OSError):
        found = path.stat()
        yield f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
