"""One stack, one owner: whoever starts, stops, rolls, updates or builds it holds its lock.

The lock is flock(2) on a file, so the kernel gives it back however its holder ends. The file says
who holds it, and for what. A command that the owner itself runs, as ``scripts/up`` runs others,
acts for the owner.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

#: Seconds between two tries to take a lock that another command holds.
POLL_INTERVAL = 0.1

#: The holder's line is short.
LINE_BYTES = 4096


class Owner:
    """Holds the lock of a stack for as long as a ``with`` block lasts.

    :param lock: the file, whose directory exists.
    :param what: what for, as the others shall read it, such as ``roll all``.
    :param say: called with a line where another command has to end first, which may be minutes.
    :param forks: whether a fork of this process goes on holding the lock.
    """

    def __init__(
        self, lock: Path, what: str, say: Callable[[str], None], forks: bool = False
    ) -> None:
        self.lock = lock
        self.what = what
        self.say = say
        self.forks = forks
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Take the lock, or wait for it.

        :raises OSError: where the file cannot be opened.
        """
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        said = ""
        try:
            while not _locked(descriptor):
                holder = _read(descriptor)
                if holder and int(holder.partition(",")[0]) in _ancestors():
                    os.close(descriptor)
                    return self
                if holder != said:
                    self.say(f"waiting for pid {holder}" if holder else "waiting for its owner")
                    said = holder
                time.sleep(POLL_INTERVAL)
            _write(descriptor, f"{os.getpid()}, since {time.strftime('%H:%M:%S')}: {self.what}")
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        if not self.forks:
            os.register_at_fork(after_in_child=self._forget)
        return self

    def _forget(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        why: BaseException | None = None,
        at: TracebackType | None = None,
    ) -> None:
        """Give the lock back; it is no mistake to do so twice."""
        if self._descriptor >= 0:
            _write(self._descriptor, "")
            os.close(self._descriptor)
            self._descriptor = -1


def owned(lock: Path) -> bool:
    """Whether somebody owns the stack.

    :raises OSError: where the file cannot be opened.
    """
    descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return not _locked(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> str:
    """The holder's line, which starts with its pid; empty while there is none to read."""
    text = os.pread(descriptor, LINE_BYTES, 0).decode("utf-8", "replace").strip()
    return text if text.partition(",")[0].isdigit() else ""


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode("utf-8", "replace"), 0)


def _ancestors() -> set[int]:
    """This process and those that it descends from (proc(5), ``stat``: the 2nd word after the
    name, which may contain spaces and brackets).
    """
    pid, found = os.getpid(), set()
    while pid:
        found.add(pid)
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            break
        pid = int(text.rpartition(")")[2].split()[1])
    return found
