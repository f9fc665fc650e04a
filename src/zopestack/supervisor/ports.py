"""Which addresses of a Stack its processes could not listen on now, and why."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Iterator

import psutil

from zopestack.features.address import Address
from zopestack.model import Listener

#: What the usual refusals of bind(2) mean here.
REASONS = {
    errno.EACCES: "only root may open ports this low",
    errno.EADDRINUSE: "another program holds that port",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def refused(listeners: Iterable[Listener]) -> Iterator[tuple[Listener, str]]:
    """The listeners whose address cannot be bound now, each with the reason."""
    for listener in listeners:
        if why := _refusal(listener.address):
            yield listener, why


def held_below(pid: int) -> set[int]:
    """The TCP ports on which the descendants of a process listen now."""
    held = set()
    for process in psutil.Process(pid).children(recursive=True):
        try:
            connections = process.net_connections("tcp")
        except psutil.NoSuchProcess:
            continue
        held |= {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}
    return held


def _refusal(address: Address) -> str:
    host = "" if address.host == "*" else address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # A port that only waits out TIME_WAIT is free for a server.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, address.port))
    except OSError as why:
        number = why.errno or 0
        return REASONS.get(number) or os.strerror(number)
    return ""
