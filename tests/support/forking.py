"""A real loader, real clients and real forks, with no Zope (``tests.support.loader``)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.polling import PATIENCE, until
from zopestack.loader import client
from zopestack.supervisor import group

ALONE = ("/bin/sh", "-c", "echo alone")

#: A fork that says that it runs, and waits.
WAIT = "import time; print('runs', flush=True)\nwhile True: time.sleep(60)"

#: One that says which signal it gets, and ends with TERM. The next one may come while it prints.
HEAR = """
import os, signal, sys
def hear(number, _):
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
    if number == signal.SIGTERM:
        sys.exit(7)
for each in ("TERM", "INT", "USR1", "USR2", "HUP"):
    signal.signal(getattr(signal, "SIG" + each), hear)
print("runs", flush=True)
while True:
    signal.pause()
"""

#: One that no signal reaches and that holds the interpreter's lock.
DEAF = """
import signal, re
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
print("runs", flush=True)
re.match("(a*)*b", "a" * 64)
"""


class Loader:
    """One in a directory of its own."""

    def __init__(self, home: Path) -> None:
        #: Where clients look for it.
        self.socket = home / "forks.sock"
        self.process: subprocess.Popen[str] | None = None
        self.clients: list[subprocess.Popen[str]] = []
        self._forked: set[int] = set()

    def start(self, code: str, name: str = "loader.sock") -> None:
        """Start it, and wait for its socket.

        :param name: of that.
        """
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.loader",
                self.socket.with_name(name),
                self.socket,
                code,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Whatever the tests' own output is, this one keeps what it has half written.
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )
        until("the socket", self.socket.exists)

    @property
    def forks(self) -> list[psutil.Process]:
        """Those that run, or are not buried yet."""
        assert self.process
        return psutil.Process(self.process.pid).children()

    def client(self, command: tuple[str, ...] = ALONE, **options: object) -> subprocess.Popen[str]:
        """Ask for a fork."""
        words = [sys.executable, "-I", "-S", client.__file__, self.socket, "60", "wsgi.ini"]
        self.clients.append(
            subprocess.Popen(
                [*words, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                **options,  # type: ignore[call-overload]
            )
        )
        return self.clients[-1]

    def running(self) -> tuple[subprocess.Popen[str], psutil.Process]:
        """A client, and its fork, which has said that it runs."""
        asked = self.client()
        assert asked.stdout
        assert asked.stdout.readline() == "runs\n"
        # It may be faster than the answer to its client.
        _, fork = until("the fork", lambda: group.members(asked.pid), lambda found: found[1:])
        self._forked.add(fork)
        until("its client to pass signals on", lambda: passes_on(asked.pid))
        return asked, psutil.Process(fork)

    def stop(self) -> None:
        """End everything."""
        processes = [each for each in (self.process, *self.clients) if each]
        # Forks as well, which hold pipes open that are waited for.
        every = {pid for each in processes for pid in group.members(each.pid)}
        for pid in every | self._forked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in processes:
            process.communicate(timeout=PATIENCE)


def said(process: subprocess.Popen[str], given: str = "") -> str:
    return process.communicate(given, timeout=PATIENCE)[0]


def soon(seconds: float = PATIENCE) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def gone(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def passes_on(pid: int) -> bool:
    """Whether a client handles the last one of the signals (proc(5), ``SigCgt``)."""
    words = Path(f"/proc/{pid}/status").read_text().split()
    return bool(int(words[words.index("SigCgt:") + 1], 16) & 1 << client.PASSED[-1] - 1)


def connected(pid: int) -> bool:
    """Whether a client waits for the answer, in recvmsg(2)."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0] in ("7", "47", "232", "271")
