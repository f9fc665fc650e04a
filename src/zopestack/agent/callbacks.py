"""Mark the requests that an instance sends to its own site, for the callback lane.

A page that fetches another page of its own site holds one thread while it needs a second one.
HAProxy sends marked requests to the callback lane, whose instances serve no other requests.

Python's HTTP clients (urllib, requests, xmlrpc) all use ``http.client``. It is patched to add a
header to requests whose other end is this machine, or another host of the stack with a balancer.
That end is either the balancer, or a server that ignores the header.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable, Collection, Iterable
from typing import Any

from zopestack.agent.configuration import Configuration

Application = Callable[..., Iterable[bytes]]

HEADER, LANE = "Zopestack-Lane", "callback"


def factory(global_conf: Any) -> Any:
    """Return a ``paste.filter_factory`` that patches ``http.client`` and filters nothing."""
    return attach


def attach(application: Application) -> Application:
    """Install the mark and return the application unchanged."""
    install(Configuration.read(os.environ).balancers)
    return application


def install(balancers: Collection[str] = ()) -> None:
    """Mark every request of this process to this machine, or to a balancer. Calling it again has no
    effect.

    :param balancers: addresses of hosts with HAProxy.
    """
    if getattr(http.client.HTTPConnection.endheaders, "marks_callbacks", False):
        return
    end = http.client.HTTPConnection.endheaders

    def endheaders(connection: http.client.HTTPConnection, *args: Any, **options: Any) -> None:
        if connection.sock is None and connection.auto_open:
            connection.connect()
        if connection.sock is not None and _stays_inside(connection.sock, balancers):
            connection.putheader(HEADER, LANE)
        end(connection, *args, **options)

    endheaders.marks_callbacks = True  # type: ignore[attr-defined]
    http.client.HTTPConnection.endheaders = endheaders  # type: ignore[method-assign, assignment]


def _stays_inside(connection: socket.socket, balancers: Collection[str]) -> bool:
    """Return whether both ends of a connection are on this machine, or one is a balancer."""
    try:
        end = connection.getpeername()[0]
        return bool(connection.getsockname()[0] == end or end in balancers)
    except (OSError, IndexError):
        return False
