"""The switch of hosts that are network namespaces."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import network
from tests.support.network import Machine, Network
from tests.support.polling import PATIENCE

pytestmark = pytest.mark.skipif(
    not network.available(), reason="makes network namespaces, which needs root"
)

#: Lower than that of any interface that the kernel makes.
LOWEST = "00:00:00:00:00:01"


@pytest.fixture
def found(home: Path) -> Iterator[Network]:
    with Network(home, {"one": "10.9.0.1"}, os.environ) as hosts:
        yield hosts


def neighbour(found: Network, host: Machine) -> str:
    """Where on the switch a host finds visitors, of whom it knows nothing yet."""
    host.run("ip", "neighbour", "flush", "all")
    with found.at(host), pytest.raises(ConnectionRefusedError):
        socket.create_connection((network.OUTSIDE, 9), timeout=PATIENCE)
    return host.run("ip", "neighbour", "show", network.OUTSIDE).stdout.split()[4]


def test_hosts_know_visitors_whatever_is_plugged_in(found: Network) -> None:
    one = found.hosts["one"]
    before = neighbour(found, one)
    found._ip("link", "add", "far", "address", LOWEST, "type", "veth", "peer", "near")
    found._ip("link", "set", "far", "master", "switch", "up")
    assert neighbour(found, one) == before
