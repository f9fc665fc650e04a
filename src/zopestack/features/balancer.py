"""HAProxy: where clients and operators reach it, which program it is, its threads."""

from __future__ import annotations

from pathlib import Path

from zopestack.features.address import Address, bindings
from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import addresses, loopback_address, program_path, whole_number

#: The oldest series that the tests run.
OLDEST = (2, 6)


def _nbthread(text: str) -> int:
    """HAProxy takes at most 64 on any machine (its manual, "nbthread")."""
    return whole_number(text, 1, 64)


def _connections(text: str) -> int | None:
    """The number of connections; None stands for ``auto``."""
    if text == "auto":
        return None
    try:
        return whole_number(text, 10, 1_000_000)
    except ValueError as accepted:
        raise ValueError(f"{accepted}, or auto") from None


@feature
class Balancer(Feature):
    """The program and its addresses.

    :ivar haproxy: None stands for the best one that the machine has; a finished Stack has a path.
    """

    http_address: tuple[Address, ...] = option(
        addresses,
        "127.0.0.1:8080",
        "Addresses where clients reach the site; ``*:80`` is every network, IPv4 and IPv6.",
    )
    stats_address: Address = option(
        loopback_address,
        "127.0.0.1:8404",
        "HAProxy's own status page, and its metrics for Prometheus under ``/metrics``.",
    )
    haproxy: Path | None = option(
        program_path,
        "auto",
        "Path of HAProxy; ``auto`` takes the system's if it is "
        f"{'.'.join(map(str, OLDEST))} or later, else the one from PyPI.",
    )
    max_connections: int | None = option(
        _connections,
        "auto",
        "Clients connected at once; others wait to connect. ``auto`` is 200 for each thread of the "
        "instances, from 2000 to 8000.",
    )
    nbthread: int = option(
        _nbthread,
        # Two halve the rate of light pages on 2 cores: docs/explanation/measured.rst,
        # "HAProxy in front of waitress".
        "1",
        "Threads of HAProxy; one serves thousands of requests a second.",
    )

    @property
    def local_address(self) -> Address:
        """Where a client on this machine reaches the site: the first of ``http-address``."""
        return self.http_address[0].reachable

    @property
    def bindings(self) -> tuple[str, ...]:
        """The sockets for http."""
        return bindings(self.http_address)

    @property
    def executable(self) -> Path:
        """The program.

        :raises ValueError: where it has not been looked for yet.
        """
        if self.haproxy is None:
            raise ValueError("haproxy = auto stands for no program yet")
        return self.haproxy
