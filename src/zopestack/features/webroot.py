"""Who may put what into the directory of a certificate authority's challenges.

HAProxy shows nothing of it but key authorizations (``templates/acme.lua.j2``), but it opens what
is there, and waits at a named pipe until somebody writes to it: Lua can ask for neither the kind
of a file nor for not to wait. So nobody else should be able to put one there, as with the files
of sshd (``StrictModes``).
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

    Directories above count as well: who may write to one can put another one in place of what
    is in it.
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
    # In a sticky one, /tmp for example, nobody moves what is another's.
    if status.st_mode & stat.S_ISVTX:
        return ""
    if status.st_mode & stat.S_IWOTH:
        return "can be written to by everybody"
    if status.st_mode & stat.S_IWGRP and status.st_gid not in (0, os.getegid()):
        return f"can be written to by another group (number {status.st_gid})"
    return ""
