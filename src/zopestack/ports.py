"""Which addresses of a Stack something else already holds."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator

from zopestack.model import Address, Listener


def taken(listeners: Iterable[Listener]) -> Iterator[Listener]:
    """The listeners whose address cannot be bound now."""
    for listener in listeners:
        if not _free(listener.address):
            yield listener


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
