"""Which addresses something on this machine already holds."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator

import psutil

from zopestack.model import Address, Listener


def taken(listeners: Iterable[Listener]) -> Iterator[Listener]:
    """The listeners whose address cannot be bound now."""
    for listener in listeners:
        if not _free(listener.address):
            yield listener


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


def _free(address: Address) -> bool:
    host = "" if address.host == "*" else address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # A port that only waits out TIME_WAIT is free for a server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, address.port))
        except OSError:
            return False
    return True
