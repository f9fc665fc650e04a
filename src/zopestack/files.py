"""Writing files so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o644) -> bool:
    """Put ``text`` at ``path`` in one step; whether anything changed.

    A file that already says so is left alone, its time as well.

    :raises OSError: where the directory cannot be written.
    """
    try:
        if path.read_text(encoding="utf-8") == text and path.stat().st_mode & 0o777 == mode:
            return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes it 0600, so a secret is never readable on the way.
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


def link(path: Path, target: Path) -> bool:
    """Make ``path`` a link to ``target`` in one step; whether anything changed.

    :raises OSError: where the directory cannot be written.
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
    """Generate a password into a file that only its owner can read, unless it is there;
    one that is there is kept, and closed to others.

    128 bits: as long as no one guesses (NIST SP 800-63B, 5.1.1, asks for less).
    """
    if not path.exists():
        write(path, secrets.token_urlsafe(16) + "\n", mode=0o600)
    elif path.stat().st_mode & 0o077:
        path.chmod(0o600)
