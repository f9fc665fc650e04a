"""A client of supervisord, over its unix socket."""

from __future__ import annotations

import xmlrpc.client
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport


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
        transport = SupervisorTransport(None, None, f"unix://{path}")
        # The URL is never used: the transport opens its own connection.
        proxy: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
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
