from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from zopestack.addresses import Listener
from zopestack.features.address import Address
from zopestack.supervisor.ports import REASONS, refused


@pytest.fixture
def held() -> Iterator[int]:
    """A port of 127.0.0.1 that something listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def why(host: str, port: int) -> list[str]:
    return [reason for _, reason in refused([Listener("zeo", Address(host, port), "zeo-address")])]


@pytest.mark.parametrize("host", ["127.0.0.1", "*", "0.0.0.0"])
def test_a_port_that_is_held(held: int, host: str) -> None:
    assert why(host, held) == ["another program uses that port"]


def test_the_same_port_of_another_address_is_free(held: int) -> None:
    assert why("127.0.0.2", held) == []


def test_an_address_of_another_machine() -> None:
    # 192.0.2.0/24 is nobody's (RFC 5737).
    assert why("192.0.2.1", 8080) == ["this machine has no such address"]


def test_only_those_that_are_refused_are_told(held: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        released = other.getsockname()[1]
    free = Listener("haproxy", Address("127.0.0.1", released), "http-address")
    busy = Listener("zeo", Address("127.0.0.1", held), "zeo-address")
    assert [listener for listener, _ in refused([free, busy])] == [busy]


def test_a_port_in_time_wait_is_free() -> None:
    """As after every restart: the server closed a connection that a visitor had open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as visitor:
            server.accept()[0].close()
            assert visitor.recv(1) == b""
    assert why("127.0.0.1", port) == []


def test_ipv6() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        # A machine without IPv6 refuses the address itself.
        assert why("::1", 8080) not in ([], [REASONS[errno.EADDRINUSE]])
        return
    with server:
        assert why("::1", server.getsockname()[1]) == [REASONS[errno.EADDRINUSE]]
