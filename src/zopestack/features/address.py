"""A TCP address, as every file of a deployment writes it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """A TCP address to listen on; an IPv6 host is held without its brackets."""

    host: str
    port: int

    #: Hosts that stand for every network, each with the hosts of its sockets. IPv4 and IPv6 get
    #: a socket each: one for both would give IPv4 clients IPv6 addresses (::ffff:192.0.2.1).
    WILDCARDS = {  # noqa: RUF012
        "*": ("0.0.0.0", "::"),  # noqa: S104
        "::": ("0.0.0.0", "::"),  # noqa: S104
        "0.0.0.0": ("0.0.0.0",),  # noqa: S104
    }

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def wildcard(self) -> bool:
        """Whether it listens on every interface."""
        return self.host in self.WILDCARDS

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return not self.wildcard and ipaddress.ip_address(self.host).is_loopback

    @property
    def reachable(self) -> Address:
        """The address a client on this machine connects to."""
        if not self.wildcard:
            return self
        return Address("::1" if self.host == "::" else "127.0.0.1", self.port)

    @property
    def sockets(self) -> tuple[Address, ...]:
        """What is listened on: one address for each socket, ``::`` for IPv6 only."""
        return tuple(
            Address(host, self.port) for host in self.WILDCARDS.get(self.host, [self.host])
        )

    @property
    def bind(self) -> str:
        """One socket as HAProxy's ``bind`` takes it (its manual, "v6only")."""
        return f"{self} v6only" if self.host == "::" else str(self)

    def collides(self, other: Address) -> bool:
        """Whether both cannot listen on one machine at the same time."""
        return self.port == other.port and any(
            mine.host == its.host or (mine._ipv6 == its._ipv6 and (mine.wildcard or its.wildcard))
            for mine in self.sockets
            for its in other.sockets
        )

    @property
    def _ipv6(self) -> bool:
        return ":" in self.host


def bindings(addresses: tuple[Address, ...]) -> tuple[str, ...]:
    """Every socket of some addresses once, as HAProxy's ``bind`` takes it."""
    return tuple(dict.fromkeys(each.bind for address in addresses for each in address.sockets))
