"""TLS with ZEO, as ZEO itself makes it of the section ``<ssl>``."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from types import SimpleNamespace

from zopestack.features.address import Address

#: Seconds for a server on this machine to say its first word.
PATIENCE = 2


def context(given: Mapping[str, str], server: bool = False) -> ssl.SSLContext:
    """What a client, or the server, verifies and shows.

    :param given: the section (``Storage.ssl_of_client``, ``Storage.ssl``).
    :raises Exception: whatever the user's function for the password raises, or ``ssl`` where the
        files cannot be used.
    """
    from ZEO.zconfig import ssl_config

    names = ("certificate", "key", "password-function", "authenticate", "server-hostname")
    section = SimpleNamespace(
        **{name.replace("-", "_"): given.get(name) for name in names},
        check_hostname=given.get("check-hostname") != "off",
    )
    made = ssl_config(section, server)
    found: ssl.SSLContext = made if server else made[0]
    return found


def speaks_first(address: Address) -> bool:
    """Whether a server of ZEO on this machine has no TLS, with which the client speaks first."""
    with (
        suppress(OSError),
        socket.create_connection((address.host, address.port), PATIENCE) as connection,
    ):
        return bool(connection.recv(1))
    return False
