"""A client of supervisord, over its unix socket."""

from __future__ import annotations

import socket
import xmlrpc.client
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Process:
    """One process as supervisord reports it.

    :param state: supervisord's own word: RUNNING, STARTING, BACKOFF, FATAL, STOPPED and others.
    :param started: seconds since the epoch.
    """

    name: str
    state: str
    pid: int
    started: int
    description: str


class Supervisor:
    """A client of one supervisord (its manual, "XML-RPC API")."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # The host is never looked up: the transport has its own connection.
        proxy: Any = xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(path))
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
        """Return every process by name.

        :raises OSError: if supervisord does not answer.
        """
        return {
            info["name"]: Process(
                info["name"], info["statename"], info["pid"], info["start"], info["description"]
            )
            for info in self.rpc.getAllProcessInfo()
        }


class _Transport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket.

    ``supervisor.xmlrpc`` has one, but it imports half of supervisord: 6 MB in a guard that
    is always there.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> HTTPConnection:
        """The connection, kept between calls as the base class keeps it."""
        connection = self._connection[1] or _Connection(self.path)
        self._connection = host, connection
        return connection


class _Connection(HTTPConnection):
    """An HTTP connection to a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        """Connect.

        :raises OSError: where nobody listens.
        """
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self.path))
