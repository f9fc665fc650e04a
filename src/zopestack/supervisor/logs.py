"""``supervisorctl logs``: every log of the stack as one, in the order of time."""

from __future__ import annotations

import heapq
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from zopestack.features.unknown_name import nearest
from zopestack.haproxy.access_line import JSON
from zopestack.supervisor.stopped import Stopped

#: Bytes at the end of each log among which the last lines are looked for.
END = 256 << 10

#: Seconds between two looks for new lines.
INTERVAL = 0.2

#: When a line of text was written: Zope, supervisord and ZEO say so in local time, then HAProxy.
LOCAL = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:,(\d{3}))?")
ACCESS = re.compile(r" - - \[(\d{2}/\w{3}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] ")


@dataclass(order=True, frozen=True)
class Line:
    """One line of a log.

    :param when: seconds since the epoch.
    """

    when: float
    log: str = field(compare=False)
    text: str = field(compare=False)


def show(
    directory: Path, names: Iterable[str], count: int, follow: bool, write: Callable[[str], None]
) -> None:
    """Write the last lines of logs, and on request those that come.

    :param names: of programs whose logs are shown; none for all.
    :param count: of lines in all.
    :param follow: whether to go on until interrupted.
    """
    logs = [_Log(path) for path in found(directory, names)]
    width = max((len(log.name) for log in logs), default=0)

    def say(line: Line) -> None:
        write(f"{line.log:{width}} | {line.text}")

    for line in deque(heapq.merge(*(log.last() for log in logs)), count):
        say(line)
    while follow:
        # A log may have been made since.
        known = {log.path for log in logs}
        logs += [_Log(path) for path in found(directory, names) if path not in known]
        # Two programs may have written out of order meanwhile.
        for line in heapq.merge(*(log.new() for log in logs)):
            say(line)
        time.sleep(INTERVAL)


def check(directory: Path, names: Iterable[str]) -> None:
    """Check that each of these programs has a log.

    :raises Stopped: for one that has none.
    """
    known = {_program(path) for path in found(directory, ())}
    for name in names:
        if name not in known:
            raise Stopped(f"{name} has no log in {directory}; {nearest(name, known)}")


def found(directory: Path, names: Iterable[str]) -> list[Path]:
    """The logs in a directory, of these programs or of all; not those that were rotated."""
    chosen = set(names)
    paths = sorted(directory.glob("*.log"))
    return [path for path in paths if not chosen or _program(path) in chosen]


def _program(log: Path) -> str:
    """Whose log it is; a program may have several."""
    return log.name.partition(".")[0]


def written(text: str) -> float:
    """When a line was written, in seconds since the epoch; 0 for one that does not say."""
    if at := JSON.match(text):
        return float(at[1])
    if at := LOCAL.match(text):
        moment = datetime.fromisoformat(f"{at[1]} {at[2]}").timestamp()
        return moment + int(at[3] or 0) / 1000
    if at := ACCESS.search(text):
        return datetime.strptime(at[1], "%d/%b/%Y:%H:%M:%S %z").timestamp()
    return 0


class _Log:
    """One log, and how far it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name.removesuffix(".log")
        self._inode = self._read_to = 0
        self._when = 0.0

    def last(self) -> list[Line]:
        """What is at its end."""
        with suppress(OSError):
            self._read_to = max(0, self.path.stat().st_size - END)
            # The first line may be cut, where the log is longer.
            cut = self._read_to > 0
            return self._lines()[cut:]
        return []

    def new(self) -> list[Line]:
        """What has been written since the last look."""
        with suppress(OSError):
            status = self.path.stat()
            if status.st_ino != self._inode or status.st_size < self._read_to:
                self._read_to = 0
            return self._lines()
        return []

    def _lines(self) -> list[Line]:
        """The rest of the log. A line without a time belongs to the one before; where no line has
        one, all are as old as the file.
        """
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            file.seek(self._read_to)
            # The end of the last line may be still to come.
            data, ended, _ = file.read().rpartition(b"\n")
        self._inode, self._read_to = status.st_ino, self._read_to + len(data) + len(ended)
        texts = data.decode("utf-8", "backslashreplace").split("\n") if ended else []
        times = [written(text) for text in texts]
        when = self._when or next(filter(None, times), status.st_mtime)
        lines = []
        for at, text in zip(times, texts, strict=True):
            when = max(when, at)
            lines.append(Line(when, self.name, text))
        if any(times):
            self._when = when
        return lines
