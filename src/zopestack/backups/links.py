"""Second names of files, which take no room (hard links)."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def link_or_copy(old: Path | None, source: Path, target: Path) -> None:
    """Give the file of an earlier backup a second name, or else copy the source.

    :raises OSError: where neither can be done.
    """
    if old:
        # The file system may have no hard links, or no more of them.
        with suppress(OSError):
            os.link(old, target)
            return
    shutil.copy2(source, target)


def keep(file: Path, name: Path) -> None:
    """Give a file a second name, or another one where the file system has no hard links."""
    try:
        os.link(file, name)
    except OSError:
        file.rename(name)
