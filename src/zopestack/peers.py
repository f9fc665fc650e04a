"""Who may connect to an instance, its agent, or ZEO, where these listen beyond this machine.

Other hosts of the stack need them. Nobody else does: an instance takes the client's address from
headers that only HAProxy may set, an agent shows what every thread does, and ZEO has no passwords.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress

#: Seconds of silence after which the system asks whether the other end of a connection is there
#: still: without it, connections to a host that has gone without a word would never end.
IDLE = 60


class Peers:
    """The addresses of those who may connect.

    :param addresses: as text; none for everybody.
    """

    def __init__(self, addresses: Iterable[str] = ()) -> None:
        self._known = {ipaddress.ip_address(each) for each in addresses}

    def __bool__(self) -> bool:
        """Whether there is anybody who may not."""
        return bool(self._known)

    def may(self, address: str) -> bool:
        """Whether the one at an address may connect."""
        if not self._known:
            return True
        with suppress(ValueError):
            # The zone of a link-local address is this machine's own affair.
            found = ipaddress.ip_address(address.partition("%")[0])
            return found.is_loopback or found in self._known
        return False

    def watch(self, connection: socket.socket) -> None:
        """Have the system end a connection whose other end has gone."""
        if self._known:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE)
