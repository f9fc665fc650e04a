"""The TCP port on which supervisord can be told what to do, beside its unix socket."""

from __future__ import annotations

from typing import ClassVar

from zopestack.features.address import Address
from zopestack.features.option import SUPERVISOR, Feature, Refused, feature, option
from zopestack.features.parsers import address
from zopestack.features.zope import USER_NAME

#: What a password begins with that is given by its hash (supervisor's manual).
HASHED = "{SHA}"


def _port(text: str) -> Address | None:
    """An address of IPv4, the only kind that supervisord opens (supervisor 4.3, ``http.py``)."""
    if not text:
        return None
    found = address(text)
    if ":" in found.host:
        raise ValueError("a port, or an address of IPv4 like 127.0.0.1:9001")
    return found


def _user(text: str) -> str:
    if text and not USER_NAME.fullmatch(text):
        raise ValueError("a name of letters, digits and . _ @ -, at most 64 long")
    return text


def _password(text: str) -> str:
    """What supervisord.conf takes without quoting rules of its own."""
    if not text.isprintable() or not text.isascii() or " " in text or text[:1] in (";", "#"):
        raise ValueError("printable ASCII without spaces, that does not begin with ; or #")
    return text


@feature
class Control(Feature):
    """supervisord's own server for HTTP and XML-RPC (its manual, "[inet_http_server]")."""

    section: ClassVar[str] = SUPERVISOR

    port: Address | None = option(
        _port,
        "",
        "Where supervisord's web page and XML-RPC are reached over TCP, such as "
        "``127.0.0.1:9001``; a port alone is one of loopback. It needs ``user`` and ``password``.",
    )
    user: str = option(_user, "", "The name that ``port`` asks for.")
    password: str = option(
        _password,
        "",
        "The password that ``port`` asks for; as it is, or as ``{SHA}`` and its SHA-1 in "
        "hexadecimal.",
        secret=True,
    )

    def check(self) -> None:
        """Check that nobody reaches supervisord without a password.

        :raises Refused: where one of the three is missing.
        """
        if self.port and not (self.user and self.password):
            raise Refused(
                "port",
                "user and password in this section too: whoever reaches this port can stop "
                "everything. bin/supervisorctl needs no port",
            )
        for name, given in (("user", self.user), ("password", self.password)):
            if given and not self.port:
                raise Refused(
                    name,
                    "port as well, such as port = 127.0.0.1:9001; without one, delete this line: "
                    "only you can open the socket of bin/supervisorctl",
                )
