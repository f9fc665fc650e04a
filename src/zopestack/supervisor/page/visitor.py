"""Who may see the status page, which has no password and names users and paths.

Only who asks from this machine, whatever ``metrics-address`` is: Prometheus on another machine gets
figures, and nobody there gets names. Others come through ``ssh -L``.

And only who asks for the machine by an address or by its own name. A site that its visitor has open
in the same browser can have its own name lead here, and would then read the answer as one of its
own (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

LOCALHOST = "localhost"

#: A Host header (RFC 9110, 7.2): a name or an address, and perhaps a port.
HOST = re.compile(r"(?:\[(?P<six>[^]]+)\]|(?P<name>[^]\[:/@]+))(?::\d*)?")


@dataclass(frozen=True)
class Visitor:
    """Who asks.

    :param address: it asks from.
    :param asked: the address of this machine that it has connected to.
    :param hosts: every Host header of the request.
    """

    address: str
    asked: str
    hosts: Sequence[str]

    def refused(self) -> tuple[int, str] | None:
        """The status and the reason for which it is refused; None if it is not."""
        local = self.address == self.asked or ipaddress.ip_address(self.address).is_loopback
        if not local:
            return 403, (
                "The status page is for this machine only, because it names users and paths. From "
                "another one, ask through ssh -L."
            )
        if len(self.hosts) != 1 or not _own(self.hosts[0]):
            return 421, (
                "There is no host of this name here. Ask for localhost, for an address, or for "
                f"{socket.gethostname()}."
            )
        return None


def _own(host: str) -> bool:
    """Whether a Host header names this machine; any port, because ssh may give another one."""
    found = HOST.fullmatch(host)
    if not found:
        return False
    name = (found["six"] or found["name"]).lower()
    if name in (LOCALHOST, socket.gethostname().lower()):
        return True
    try:
        # Nobody can have an address lead to another one.
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
