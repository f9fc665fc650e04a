"""Write files atomically: a reader sees the old file or the new one, never a part of one."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write ``text`` to ``path`` in one step and return whether anything changed.

    A file that already has this text and mode is not touched, so its modification time stays.

    :raises OSError: if the directory cannot be written.
    """
    try:
        if path.read_text(encoding="utf-8") == text and path.stat().st_mode & 0o777 == mode:
            return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp creates the file with mode 0600, so that a secret is never readable by others.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def create(path: Path, text: str, mode: int = 0o644) -> None:
    """Write ``text`` to a new file in one step.

    :raises FileExistsError: where there is one already, which stays as it is.
    :raises OSError: if the directory cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write(temporary, text, mode)
        # Unlike a rename, this fails where there is something.
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def link(path: Path, target: Path) -> bool:
    """Make ``path`` a symbolic link to ``target`` in one step; return whether anything changed.

    :raises OSError: if the directory cannot be written.
    """
    if path.is_symlink() and path.readlink() == target:
        return False
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.symlink_to(target)
    try:
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink()
        raise
    return True


def create_password(path: Path) -> None:
    """Write a random password to a file that only its owner can read.

    An existing password is kept, and its file is closed to other users.

    The password has 128 bits (NIST SP 800-63B, 5.1.1, asks for less).
    """
    if not path.exists():
        write(path, secrets.token_urlsafe(16) + "\n", mode=0o600)
    elif path.stat().st_mode & 0o077:
        path.chmod(0o600)
