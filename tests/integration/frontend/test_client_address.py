"""The client's address is the client's: in Zope, in the access log, and in limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.integration.frontend.test_logs import lines
from tests.integration.frontend.test_proxies import line
from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.fetch import fetch
from tests.support.polling import until
from zopestack.features.address import Address

PROXY = "127.0.0.8"

#: What a proxy may say of a client, and how that address is written.
TOLD = [
    ("192.0.2.66", "192.0.2.66"),
    ("192.0.2.66:4711", "192.0.2.66"),
    ("2001:DB8::1", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("[2001:db8::1]:4711", "2001:db8::1"),
    ("::ffff:192.0.2.66", "192.0.2.66"),
    ("::FFFF:c000:242", "192.0.2.66"),
    # Addresses of IPv6 that have one of IPv4 in them. HAProxy 3.2 converts these, too.
    ("2002:c000:242::1", "2002:c000:242::1"),
    ("64:ff9b::c000:242", "64:ff9b::c000:242"),
]

REQUEST = b"GET /client HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def doors(farm: Farm) -> Iterator[dict[str, Door]]:
    with ExitStack() as stack:
        made = {
            "direct": farm.door(instances=1),
            "behind": farm.door(instances=1, trusted_proxies=PROXY),
            "protocol": farm.door(instances=1, trusted_proxies=PROXY, proxy_protocol="on"),
        }
        made["direct"].set(http_address=f"[::]:{made['direct'].ports.http}")
        yield {name: stack.enter_context(door) for name, door in made.items()}


def logged(door: Door) -> str:
    """The client of the last line of the access log."""
    requests = door.figures()["site/FRONTEND"]["req_tot"]
    return until("the line", lambda: lines(door), lambda found: len(found) == int(requests))[-1][
        "client"
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_a_client_that_connects_itself(doors: dict[str, Door], host: str) -> None:
    """To a socket of both IPv4 and IPv6."""
    door = doors["direct"]
    to = Address("::1" if ":" in host else "127.0.0.1", door.ports.http)
    forged = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1", "Host": "localhost"}
    assert fetch(to, "/client", headers=forged, source=host).text == host
    assert logged(door) == host


@pytest.mark.parametrize(("told", "address"), TOLD)
def test_a_client_behind_a_trusted_proxy(doors: dict[str, Door], told: str, address: str) -> None:
    door = doors["behind"]
    assert door.get("/client", {"X-Forwarded-For": told}, source=PROXY).text == address
    assert logged(door) == address


@pytest.mark.parametrize(
    ("told", "address"),
    [("192.0.2.66",) * 2, ("2001:db8::1",) * 2, ("::ffff:192.0.2.66", "192.0.2.66")],
)
def test_a_client_told_by_the_proxy_protocol(
    doors: dict[str, Door], told: str, address: str
) -> None:
    door = doors["protocol"]
    answer = door.raw(line(told) + REQUEST, source=PROXY)
    assert answer.endswith(b"\r\n\r\n" + address.encode())
    assert logged(door) == address


def test_a_client_whose_request_is_malformed_is_logged_by_its_address(
    doors: dict[str, Door],
) -> None:
    door = doors["protocol"]
    assert b" 400 " in door.raw(line("::ffff:192.0.2.66") + b"GET\r\n\r\n", source=PROXY)
    log = until(
        "the line", lambda: door.log.read_text().splitlines(), lambda found: "<BADREQ>" in found[-1]
    )
    assert " 192.0.2.66 - - " in log[-1]


def test_ipv4_clients_are_counted_apart_however_they_are_told(farm: Farm) -> None:
    behind = {"trusted_proxies": PROXY, "requests_per_address": 3}
    with farm.door(instances=1, **behind) as door:

        def asked_by(address: str) -> int:
            return door.get(headers={"X-Forwarded-For": address}, source=PROXY).status

        mine = ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1:80", "[::ffff:c000:201]:80"]
        assert [asked_by(address) for address in mine] == [200, 200, 200, 429]
        assert asked_by("::ffff:192.0.2.2") == 200
