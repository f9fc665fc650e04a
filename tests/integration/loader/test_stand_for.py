"""What stands for a fork, in each shell that may be /bin/sh."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.forking import HEAR, passes_on
from tests.support.polling import PATIENCE, until
from tests.support.started import Started
from zopestack.loader import client

SHELLS = [each for each in ("dash", "bash", "busybox") if shutil.which(each)]


@contextmanager
def standing_for(shell: str, pid: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A shell, and where it is told how the fork ends."""
    ending, told = os.pipe()
    command = ["sh", *client.stand_for(pid)[1:]]
    with Started(command, executable=shutil.which(shell), stdin=ending) as process:
        os.close(ending)
        until("it to pass signals on", lambda: passes_on(process.pid))
        yield process, told
        process.kill()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("loader 0", 0),
        ("loader 7", 7),
        ("loader -9", -signal.SIGKILL),
        ("loader -15", -signal.SIGTERM),
        ("fork 3\nloader -9", -signal.SIGKILL),
        # The loader was killed, and then the fork.
        ("fork 3", 3),
        ("", 1),
    ],
)
def test_it_ends_as_it_is_told(shell: str, words: str, status: int) -> None:
    # Nobody is killed by it.
    with standing_for(shell, os.getpid()) as (process, told):
        os.write(told, f"{words}\n".encode() if words else b"")
        os.close(told)
        assert process.wait(PATIENCE) == status


@pytest.mark.parametrize("shell", SHELLS)
def test_it_goes_on_after_each_signal(shell: str) -> None:
    with (
        Started([sys.executable, "-c", HEAR], stdout=subprocess.PIPE) as fork,
        standing_for(shell, fork.pid) as (process, told),
    ):
        assert fork.stdout
        assert fork.stdout.readline() == b"runs\n"
        # What ends the fork comes last.
        for number in (*client.PASSED[1:], *client.PASSED[1:], client.PASSED[0]):
            process.send_signal(number)
            assert fork.stdout.readline() == f"{number.name}\n".encode()
        os.write(told, b"loader 7\n")
        os.close(told)
        assert process.wait(PATIENCE) == 7
