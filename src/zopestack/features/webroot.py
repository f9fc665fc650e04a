"""Who may put what into the directory of a certificate authority's challenges.

HAProxy shows only key authorizations from it (``templates/acme.lua.j2``), but it opens whatever
file is named, and a named pipe blocks it until somebody writes to the pipe: Lua can neither ask
for the type of a file nor open one without blocking. So nobody else should be able to put a file
there; sshd demands the same of its files (``StrictModes``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

#: Below the webroot (RFC 8555, 8.3).
CHALLENGES = ".well-known/acme-challenge"


def objections(webroot: Path) -> Iterator[str]:
    """Where somebody other than root and the user who runs this could put a file, and how.

    Directories above count as well: whoever may write to one can replace what is in it.
    """
    whole = webroot / CHALLENGES
    given = (whole, *whole.parents)
    for directory in sorted({each for path in given for each in _real(path)}):
        try:
            status = directory.stat()
        except OSError:
            continue  # certbot makes what is missing
        if why := _others(status):
            yield f"{directory} {why}"


def _real(path: Path) -> tuple[Path, ...]:
    real = path.resolve()
    return (real, *real.parents)


def _others(status: os.stat_result) -> str:
    """How others may write to a directory; empty where they may not."""
    if status.st_uid not in (0, os.geteuid()):
        return f"belongs to another user (number {status.st_uid})"
    # In a sticky directory, such as /tmp, nobody can move files of another user.
    if status.st_mode & stat.S_ISVTX:
        return ""
    if status.st_mode & stat.S_IWOTH:
        return "can be written to by everybody"
    if status.st_mode & stat.S_IWGRP and status.st_gid not in (0, os.getegid()):
        return f"can be written to by another group (number {status.st_gid})"
    return ""
