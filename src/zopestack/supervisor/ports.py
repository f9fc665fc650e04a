"""Find the addresses of a Stack on which its processes cannot listen now, and why."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress

import psutil

from zopestack.addresses import Listener
from zopestack.features.address import Address
from zopestack.supervisor import group

#: Explanations of the usual errors of bind(2).
REASONS = {
    errno.EACCES: "only root may listen on a port this low",
    errno.EADDRINUSE: "another program uses that port",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def refused(listeners: Iterable[Listener]) -> Iterator[tuple[Listener, str]]:
    """Yield the listeners whose address cannot be bound now, each with the reason."""
    for listener in listeners:
        if why := _refusal(listener.address):
            yield listener, why


def held_by(pid: int) -> set[Address]:
    """Return the TCP addresses on which a process or one of its descendants listens now."""
    held: set[Address] = set()
    try:
        family = [process := psutil.Process(pid), *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return held
    # A fork whose loader has died is no descendant any more.
    for pid in {each for process in family for each in group.members(process.pid)}:
        with suppress(psutil.NoSuchProcess):
            connections = psutil.Process(pid).net_connections("tcp")
            held |= {Address(*c.laddr) for c in connections if c.status == psutil.CONN_LISTEN}
    return held


def _refusal(address: Address) -> str:
    host = "" if address.host == "*" else address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Accept a port in TIME_WAIT, as a server does.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, address.port))
    except OSError as why:
        number = why.errno or 0
        return REASONS.get(number) or os.strerror(number)
    return ""
