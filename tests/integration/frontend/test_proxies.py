"""Whom HAProxy takes for the visitor where trusted proxies are in front of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.door import Door, received, statuses
from tests.support.farm import Farm
from zopestack.features.proxies import MOST_PROXIES

#: Networks of trusted proxies, and addresses in them from which a test can connect.
TRUSTED = ("127.0.0.8/32", "127.0.1.0/24", "2001:db8:1::/48")
SENDERS = ("127.0.0.8", "127.0.1.9", "127.0.0.2")

PROXIES = ("127.0.0.8", "127.0.1.1", "2001:db8:1::7")
VISITORS = ("192.0.2.66", "198.51.100.7", "2001:db8:2::1", "127.0.0.9")
NO_ADDRESSES = ("unknown", "_hidden", "192.0.2.300", "", "a b")


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with farm.door(trusted_proxies=" ".join(TRUSTED), requests_per_address="off") as running:
        yield running


def trusted(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(network) for network in TRUSTED)


def visitor(sender: str, told: list[str]) -> str:
    """The first from the right who is no trusted proxy, as the last trusted one tells."""
    found = sender
    for entry in list(reversed(told))[:MOST_PROXIES]:
        try:
            ipaddress.ip_address(entry)
        except ValueError:
            break
        if not trusted(found):
            break
        found = entry
    return found


@given(
    sender=st.sampled_from(SENDERS),
    told=st.lists(st.sampled_from(PROXIES * 3 + VISITORS + NO_ADDRESSES), max_size=6),
    lines=st.booleans(),
)
@example(sender="127.0.0.8", told=["192.0.2.66", "127.0.1.1"], lines=False)
@example(sender="127.0.0.8", told=["198.51.100.7", "192.0.2.66", "127.0.1.1"], lines=True)
@example(sender="127.0.0.8", told=["192.0.2.66", "unknown", "127.0.1.1"], lines=False)
@example(sender="127.0.0.8", told=[], lines=False)
@example(sender="127.0.0.2", told=["192.0.2.66"], lines=False)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_visitor_is_whom_the_last_trusted_proxy_has_seen(
    door: Door, sender: str, told: list[str], lines: bool
) -> None:
    """However the list is written: in one line or in several."""
    values = told if lines else [", ".join(told)] if told else []
    headers = "".join(f"X-Forwarded-For: {value}\r\n" for value in values)
    door.seen()
    request = f"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
    assert statuses(door.raw(request.encode(), source=sender)) == (200,)
    (seen,) = door.seen()
    assert seen.headers["x-forwarded-for"] == visitor(sender, told)


@pytest.mark.parametrize(
    ("told", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("https, http", "http")],
)
def test_the_scheme_is_what_the_last_proxy_has_seen(door: Door, told: str, scheme: str) -> None:
    headers = {"X-Forwarded-Proto": told}
    assert door.reach(headers=headers, source="127.0.0.8").headers["x-forwarded-proto"] == scheme
    assert door.reach(headers=headers, source="127.0.0.2").headers["x-forwarded-proto"] == "http"


def test_whoever_has_a_network_of_ipv6_addresses_is_one_client(farm: Farm) -> None:
    with farm.door(trusted_proxies="127.0.0.8", requests_per_address=5) as door:

        def asked_by(address: str) -> int:
            return door.get(headers={"X-Forwarded-For": address}, source="127.0.0.8").status

        mine = [asked_by(f"2001:db8:0:1::{number}") for number in range(1, 8)]
        assert mine == [200] * 5 + [429] * 2
        assert asked_by("2001:db8:0:2::1") == 200
        assert [asked_by(f"192.0.2.{number}") for number in range(1, 8)] == [200] * 7


REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def line(address: str) -> bytes:
    """The PROXY protocol's first line."""
    family, here = ("TCP6", "2001:db8::1") if ":" in address else ("TCP4", "192.0.2.1")
    return f"PROXY {family} {address} {here} 1234 80\r\n".encode()


@pytest.fixture(scope="module")
def spoken(farm: Farm) -> Iterator[Door]:
    """Behind proxies that speak the PROXY protocol, and visitors in the same network."""
    options = {"trusted_proxies": "127.0.0.8 192.0.2.0/24", "proxy_protocol": "on"}
    limits = {"requests_per_address": 5, "connections_per_address": 3}
    with farm.door(**options, **limits) as running:
        yield running


def test_by_the_proxy_protocol_headers_are_the_visitors_own(spoken: Door) -> None:
    """Also where the visitor has an address that is trusted."""
    forged = b"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\n"
    spoken.seen()
    assert statuses(spoken.raw(line("192.0.2.9") + REQUEST + forged, source="127.0.0.8")) == (200,)
    (seen,) = spoken.seen()
    assert seen.headers["x-forwarded-for"] == "192.0.2.9"
    assert seen.headers["x-forwarded-proto"] == "http"


def test_by_the_proxy_protocol_visitors_are_counted(spoken: Door) -> None:
    def asked_by(address: str) -> tuple[int, ...]:
        return statuses(spoken.raw(line(address) + REQUEST + b"\r\n", source="127.0.0.8"))

    assert [asked_by("198.51.100.7") for _ in range(7)] == [(200,)] * 5 + [(429,)] * 2
    assert asked_by("198.51.100.8") == (200,)
    mine = [asked_by(f"2001:db8:0:1::{number}") for number in range(1, 8)]
    assert mine == [(200,)] * 5 + [(429,)] * 2
    assert asked_by("2001:db8:0:2::1") == (200,)
    held = [spoken.connect("127.0.0.8") for _ in range(3)]
    try:
        for each in held:
            each.sendall(line("198.51.100.9") + REQUEST.replace(b"close", b"keep-alive") + b"\r\n")
            assert each.recv(12) == b"HTTP/1.1 200"
        assert asked_by("198.51.100.9") == ()
        assert asked_by("198.51.100.10") == (200,)
    finally:
        for each in held:
            each.close()


def test_nobody_else_may_speak_it(spoken: Door) -> None:
    with spoken.connect("127.0.0.2") as stranger:
        stranger.sendall(line("198.51.100.11") + REQUEST + b"\r\n")
        assert statuses(received(stranger)) == (400,)
