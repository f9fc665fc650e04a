from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.features.address import Address
from zopestack.model import Stack


@pytest.fixture
def stack(home: Path) -> Stack:
    return describe.read(home, {"instances": "3", "threads": "2", "var": "data"})


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        (Address("127.0.0.1", 80), Address("127.0.0.1", 80), True),
        (Address("127.0.0.1", 80), Address("127.0.0.1", 81), False),
        (Address("127.0.0.1", 80), Address("127.0.0.2", 80), False),
        (Address("*", 80), Address("127.0.0.1", 80), True),
        (Address("0.0.0.0", 80), Address("10.0.0.1", 80), True),
        (Address("::", 80), Address("127.0.0.1", 80), True),
        (Address("::", 80), Address("*", 80), True),
        (Address("*", 80), Address("*", 81), False),
        (Address("*", 80), Address("::1", 80), True),
        (Address("0.0.0.0", 80), Address("::1", 80), False),
        (Address("0.0.0.0", 80), Address("::", 80), True),
    ],
    ids=lambda value: str(value),
)
def test_collisions(one: Address, other: Address, collide: bool) -> None:
    assert one.collides(other) == other.collides(one) == collide


@pytest.mark.parametrize(
    ("address", "text", "reachable"),
    [
        (Address("127.0.0.1", 80), "127.0.0.1:80", "127.0.0.1:80"),
        (Address("::1", 80), "[::1]:80", "[::1]:80"),
        (Address("*", 80), "*:80", "127.0.0.1:80"),
        (Address("0.0.0.0", 80), "0.0.0.0:80", "127.0.0.1:80"),
        (Address("::", 80), "[::]:80", "[::1]:80"),
    ],
)
def test_text_of_an_address_and_where_a_client_reaches_it(
    address: Address, text: str, reachable: str
) -> None:
    assert str(address) == text
    assert str(address.reachable) == reachable


def test_what_follows_from_a_stack(stack: Stack, home: Path) -> None:
    assert stack.programs == ("zeo", "instance1", "instance2", "instance3", "haproxy")
    assert stack.threads == 6
    sockets = ("supervisor.sock", "haproxy.sock", "peers.sock")
    assert stack.sockets == tuple(home / "data" / name for name in sockets)
    assert stack.database == home / "data/filestorage/Data.fs"
    assert stack.password_file.is_relative_to(stack.var)
    assert {path.parent for path in (stack.haproxy_conf, stack.supervisord_conf)} == {
        home / "parts/stack-files"
    }


def test_every_listener_names_the_option_that_moves_it(stack: Stack) -> None:
    assert [(str(listener.address), listener.option) for listener in stack.listeners()] == [
        ("127.0.0.1:8080", "http-address"),
        ("127.0.0.1:8404", "stats-address"),
        ("127.0.0.1:8400", "zeo-address"),
        ("127.0.0.1:8081", "base-port"),
        ("127.0.0.1:9081", "agent-base-port"),
        ("127.0.0.1:8082", "base-port"),
        ("127.0.0.1:9082", "agent-base-port"),
        ("127.0.0.1:8083", "base-port"),
        ("127.0.0.1:9083", "agent-base-port"),
    ]


def test_a_stack_does_not_change(stack: Stack) -> None:
    with pytest.raises(FrozenInstanceError):
        stack.bin = Path()  # type: ignore[misc]
