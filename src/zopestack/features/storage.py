"""What the main database is kept in, and how instances reach it."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum

from zopestack.features import parsers
from zopestack.features.address import Address
from zopestack.features.option import Feature, Refused, feature, option


class Kind(StrEnum):
    """Where the main database is.

    ZEO: in a FileStorage that a database server of this stack serves. RELSTORAGE: in PostgreSQL,
    MySQL or SQLite. EXTERNAL: with a ZEO server that this stack does not run.
    """

    ZEO = "zeo"
    RELSTORAGE = "relstorage"
    EXTERNAL = "external"


HOST = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise ValueError(", ".join(Kind)) from None


def _server(text: str) -> Address:
    """An address, or the name of another machine with a port."""
    host, _, number = text.rpartition(":")
    if host != "localhost" and HOST.fullmatch(host):
        try:
            return Address(host, parsers.port(number))
        except ValueError as why:
            raise ValueError(f"an address like zeo.example.com:8400; the port is {why}") from None
    return parsers.address(text)


@feature
class Storage(Feature):
    """ZEO, RelStorage, or a ZEO elsewhere."""

    storage: Kind = option(
        _kind,
        Kind.ZEO,
        "What keeps the database: ``zeo``, a server of this stack; ``relstorage``, a relational "
        "database; ``external``, a ZEO server elsewhere. See :doc:`/howto/storage`.",
    )
    zeo_address: Address = option(
        _server,
        # Above the ports of 256 instances; 8100, the default of Zope's recipes, is not.
        "127.0.0.1:8400",
        "Where the database server listens.",
    )

    def check(self) -> None:
        """Check that only this machine reaches a server of this stack.

        :raises Refused: where others do.
        """
        if self.storage != Kind.EXTERNAL and not self._on_loopback():
            raise Refused(
                "zeo-address",
                "an address on loopback, like 127.0.0.1:8400, since it has no password; a server "
                f"elsewhere takes storage = {Kind.EXTERNAL}",
            )
        if self.storage == Kind.EXTERNAL and self.zeo_address.wildcard:
            raise Refused("zeo-address", "the address of one server")

    def _on_loopback(self) -> bool:
        address = self.zeo_address
        if address.wildcard or HOST.fullmatch(address.host):
            return False
        return ipaddress.ip_address(address.host).is_loopback

    @property
    def serves(self) -> bool:
        """Whether the stack has a database server of its own."""
        return self.storage == Kind.ZEO

    @property
    def relational(self) -> bool:
        """Whether the database is a relational one."""
        return self.storage == Kind.RELSTORAGE
