"""The program that writes HAProxy's access log, on a real pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.polling import PATIENCE, until
from zopestack.haproxy import log_writer

#: Looks that take several times as long as it pauses after a line.
LOOKS = 20


class Writer:
    """One that runs, and the end of its pipe that HAProxy has."""

    def __init__(self, home: Path) -> None:
        self.log = home / "access.log"
        pipe = home / "access-log.pipe"
        self.process = subprocess.Popen(
            [sys.executable, "-m", log_writer.__name__, pipe, self.log, "1000000", "2"]
        )
        until("the pipe", pipe.exists)
        self.source = os.open(pipe, os.O_WRONLY)

    def says(self, line: str) -> None:
        os.write(self.source, line.encode())
        until("the line", lambda: self.log.exists() and line in self.log.read_text("utf-8"))

    def reads(self) -> int:
        return int(psutil.Process(self.process.pid).io_counters().read_count)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()
    os.close(made.source)


def test_when_the_machine_shuts_down_it_waits_for_the_last_lines_and_does_nothing_meanwhile(
    writer: Writer,
) -> None:
    writer.says("before\n")
    writer.process.send_signal(signal.SIGTERM)
    writer.says("after\n")
    seen: list[int] = []

    def rests() -> bool:
        seen.append(writer.reads())
        return seen[-LOOKS:] == [seen[-1]] * LOOKS

    until("it to wait", rests, timeout=20)
    writer.says("last\n")
    spare, writer.source = writer.source, os.open(os.devnull, os.O_WRONLY)
    os.close(spare)
    assert writer.process.wait(PATIENCE) == 0
    assert writer.log.read_text("utf-8") == "before\nafter\nlast\n"


def test_told_by_supervisord_it_ends_though_the_pipe_is_open(writer: Writer) -> None:
    writer.says("a line\n")
    writer.process.send_signal(signal.SIGUSR1)
    assert writer.process.wait(PATIENCE) == 0
