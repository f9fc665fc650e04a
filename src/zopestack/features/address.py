"""A TCP address, as every file of a deployment writes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """A TCP address to listen on; an IPv6 host is held without its brackets."""

    host: str
    port: int

    #: Hosts that stand for every interface, so their ports collide with any other.
    WILDCARDS = frozenset({"*", "0.0.0.0", "::"})  # noqa: S104

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def wildcard(self) -> bool:
        """Whether it listens on every interface."""
        return self.host in self.WILDCARDS

    @property
    def reachable(self) -> Address:
        """The address a client on this machine connects to."""
        if not self.wildcard:
            return self
        return Address("::1" if self.host == "::" else "127.0.0.1", self.port)

    def collides(self, other: Address) -> bool:
        """Whether both cannot listen on one machine at the same time."""
        if self.port != other.port:
            return False
        return self.host == other.host or self.wildcard or other.wildcard
