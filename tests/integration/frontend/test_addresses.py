"""``http-address`` and ``https-address``: one address, several, every network."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support.farm import Farm
from tests.support.fetch import fetch
from zopestack.features import parsers
from zopestack.features.address import Address

#: How a front end is told to listen, and where a client then finds it.
LISTENING = [
    ("*:{0}", ["127.0.0.1:{0}", "127.0.0.2:{0}", "[::1]:{0}"]),
    ("[::]:{0}", ["127.0.0.1:{0}", "[::1]:{0}"]),
    ("0.0.0.0:{0} [::]:{0}", ["127.0.0.1:{0}", "[::1]:{0}"]),
    ("127.0.0.1:{0} [::1]:{0} 127.0.0.2:{1}", ["127.0.0.1:{0}", "[::1]:{0}", "127.0.0.2:{1}"]),
]


@pytest.mark.parametrize(("told", "found"), LISTENING)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_every_address_serves(
    farm: Farm, program: Path, secure: bool, told: str, found: list[str]
) -> None:
    door = farm.door(instances=1, haproxy=program, http_redirect="off")
    spare = door.ports.spare
    numbers = (spare + 1, spare + 2)
    given = told.format(*numbers)
    if secure:
        door.set(tls_certificate="self-signed", https_address=given)
    else:
        door.set(http_address=given)
    with door:
        for each in found:
            address = parsers.address(each.format(*numbers))
            answer = fetch(address, "/client", headers={"Host": "localhost"}, secure=secure)
            assert answer.status == 200
            assert answer.text == ("::1" if ":" in address.host else "127.0.0.1")


def test_the_ports_of_every_address_are_the_sites_own(farm: Farm) -> None:
    door = farm.door(instances=1, sites="www.example.com = /Plone")
    other = door.ports.spare
    door.set(http_address=f"127.0.0.1:{door.ports.http} 127.0.0.1:{other}")
    with door:
        for port in (door.ports.http, other):
            host = f"www.example.com:{port}"
            answer = fetch(Address("127.0.0.1", port), "/moved", headers={"Host": host})
            assert answer.headers["location"] == f"http://{host}"


def test_a_machine_without_ipv6_has_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    made = socket.socket

    def without(family: int = socket.AF_INET, *rest: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return made(family, *rest)

    monkeypatch.setattr(socket, "socket", without)
    assert [each.bind for each in parsers.address("*:80").sockets] == ["0.0.0.0:80"]
