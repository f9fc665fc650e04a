"""A terminal of 80 columns and 24 lines, and a program that runs in it."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyte
from rich.text import Text

COLUMNS, LINES = 80, 24


class Terminal:
    """Runs a program until the end of the block; pyte draws what it writes."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self._own, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            command,
            env={**environment, "TERM": "xterm-256color"},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._own)

    def lines(self) -> list[str]:
        """What is on the screen now."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def colored(self) -> list[Text]:
        """The same with its colors."""
        found = []
        for number in range(self.screen.lines):
            cells = self.screen.buffer[number]
            line = Text()
            for column in range(self.screen.columns):
                cell = cells[column]
                color = "" if cell.fg == "default" else cell.fg
                line.append(cell.data, style=f"bold {color}" if cell.bold else color)
            line.rstrip()
            found.append(line)
        return [line for line in found if line]

    def interrupt(self) -> int:
        """Interrupt the program; its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def _read(self) -> None:
        # A terminal whose program has ended is an error.
        with suppress(OSError):
            while data := os.read(self._own, 65536):
                self._stream.feed(data)
