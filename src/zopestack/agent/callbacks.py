"""Marks the requests that an instance sends itself, for the lane kept for them.

A page that fetches another page of its own site holds a thread while it waits for a
second one. HAProxy sends what is marked to the callback lane, which visitors do not use.

Python's HTTP clients (urllib, requests, xmlrpc) end in ``http.client``. It is told here to
add a header where the other end of the connection is this machine, and nowhere else:
that is the balancer, or somebody to whom the header says nothing.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterable
from typing import Any

Application = Callable[..., Iterable[bytes]]

HEADER, LANE = "Zopestack-Lane", "callback"


def factory(global_conf: Any) -> Any:
    """A ``paste.filter_factory``: installs the mark, and leaves requests alone."""
    return attach


def attach(application: Application) -> Application:
    """The application itself."""
    install()
    return application


def install() -> None:
    """Have every connection of this process to this machine marked, once."""
    if getattr(http.client.HTTPConnection.endheaders, "marks_callbacks", False):
        return
    end = http.client.HTTPConnection.endheaders

    def endheaders(connection: http.client.HTTPConnection, *args: Any, **options: Any) -> None:
        if connection.sock is None and connection.auto_open:
            connection.connect()
        if connection.sock is not None and _stays_here(connection.sock):
            connection.putheader(HEADER, LANE)
        end(connection, *args, **options)

    endheaders.marks_callbacks = True  # type: ignore[attr-defined]
    http.client.HTTPConnection.endheaders = endheaders  # type: ignore[method-assign, assignment]


def _stays_here(connection: socket.socket) -> bool:
    """Whether both ends of a connection are this machine."""
    try:
        return bool(connection.getsockname()[0] == connection.getpeername()[0])
    except (OSError, IndexError):
        return False
