"""A client of supervisord, over its unix socket."""

from __future__ import annotations

import socket
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from zopestack.namespec import namespec

#: Seconds that supervisord gets to answer what it need not wait for; it takes milliseconds.
ANSWER = 10.0

#: What it says of a program that runs already, of one that has ended before it could answer, and of
#: one that does not run (``supervisor.xmlrpc.Faults``, which imports half of supervisord).
ALREADY_STARTED, SPAWN_ERROR, NOT_RUNNING = 60, 50, 70

#: Its states of a program that has no process (its manual, "Process States").
IDLE = ("STOPPED", "EXITED", "FATAL", "BACKOFF")


@dataclass(frozen=True)
class Process:
    """One process as supervisord reports it.

    :param state: supervisord's own word: RUNNING, STARTING, BACKOFF, FATAL, STOPPED and others.
    :param started: seconds since the epoch.
    :param exitstatus: of the one that has ended last; 0 if none has.
    """

    name: str
    state: str
    pid: int
    started: int
    description: str
    exitstatus: int = 0


class Supervisor:
    """A client of one supervisord (its manual, "XML-RPC API").

    :param timeout: seconds for one answer; None where a stop or a start is waited for.
    """

    def __init__(self, path: Path, timeout: float | None = None) -> None:
        self.path = path
        # The host is never looked up: the transport has its own connection.
        proxy: Any = xmlrpc.client.ServerProxy(
            "http://localhost", transport=_Transport(path, timeout)
        )
        self.rpc = proxy.supervisor

    def running(self) -> bool:
        """Return whether a supervisord answers on the socket."""
        try:
            return bool(self.rpc.getState()["statename"] == "RUNNING")
        except (OSError, HTTPException, xmlrpc.client.Error):
            return False

    def pid(self) -> int:
        """Return the pid of supervisord itself.

        :raises OSError: if supervisord does not answer.
        """
        return int(self.rpc.getPID())

    def processes(self) -> dict[str, Process]:
        """Return every process by what supervisorctl calls it: its name, or ``group:name``.

        :raises OSError: if supervisord does not answer.
        """
        return {
            namespec(info["group"], info["name"]): Process(
                info["name"],
                info["statename"],
                info["pid"],
                info["start"],
                info["description"],
                info["exitstatus"],
            )
            for info in self.rpc.getAllProcessInfo()
        }

    def start(self, name: str) -> None:
        """Start a program unless it runs, and do not wait until it does.

        Its state tells what became of it: one that ends is tried again, or given up.

        :raises xmlrpc.client.Fault: where there is no such program, or it cannot be executed.
        """
        with _ignoring(ALREADY_STARTED, SPAWN_ERROR):
            self.rpc.startProcess(name, False)

    def stop(self, name: str) -> None:
        """Stop a program if it runs, and do not wait until it has ended.

        :raises xmlrpc.client.Fault: where there is no such program.
        """
        with _ignoring(NOT_RUNNING):
            self.rpc.stopProcess(name, False)


@contextmanager
def _ignoring(*codes: int) -> Iterator[None]:
    try:
        yield
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in codes:
            raise


class _Transport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket.

    ``supervisor.xmlrpc`` has one, but it imports half of supervisord: 6 MB in a guard that
    is always there.
    """

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__()
        self.path = path
        self.timeout = timeout

    def make_connection(self, host: Any) -> HTTPConnection:
        """The connection, kept between calls as the base class keeps it."""
        connection = self._connection[1] or _Connection(self.path, self.timeout)
        self._connection = host, connection
        return connection


class _Connection(HTTPConnection):
    """An HTTP connection to a unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost")
        self.path = path
        self.answer = timeout

    def connect(self) -> None:
        """Connect.

        :raises OSError: where nobody listens.
        """
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.answer)
        self.sock.connect(str(self.path))
