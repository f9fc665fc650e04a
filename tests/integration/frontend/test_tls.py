"""https: redirects, HTTP/2, certificates and their renewal."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.door import Door
from tests.support.farm import Farm
from zopestack.buildout import certificates
from zopestack.features.certificates import CHAIN, KEY


def make_door(farm: Farm, **options: object) -> Door:
    door = farm.door(**{"tls_certificate": "self-signed", **options})
    door.set(https_address=f"127.0.0.1:{door.https}")
    return door


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with make_door(
        farm, sites="www.example.com = /Plone\nexample.com -> www.example.com"
    ) as running:
        yield running


def certificate(directory: Path, name: str) -> Path:
    """A certificate with its key in the same file."""
    made = directory / f"{name}.pem"
    certificates.make_self_signed(made, [name])
    key = made.with_name(f"{name}.pem.key")
    made.write_text(made.read_text() + key.read_text())
    key.unlink()
    return made


def serial(door: Door) -> int:
    """The number of the certificate that visitors get."""
    pem = ssl.get_server_certificate(("127.0.0.1", door.https))
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-serial"], input=pem, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return int(told.stdout.strip().partition("=")[2], 16)


def test_http_leads_to_https(door: Door) -> None:
    answer = door.get("/a?b=c", {"Host": f"www.example.com:{door.ports.http}"})
    expected = f"https://www.example.com:{door.https}/a?b=c"
    assert (answer.status, answer.headers["location"]) == (301, expected)
    assert door.get("/", {"Host": "www.example.com"}, "POST", body=b"x").status == 308
    assert door.get("/", {"Host": "other.example"}).status == 421
    # One step, not two, where the host leads on as well.
    answer = door.get("/", {"Host": "example.com"})
    assert answer.headers["location"] == f"https://www.example.com:{door.https}/"


def test_zope_is_told_https_and_the_port(door: Door) -> None:
    host = f"www.example.com:{door.https}"
    told = door.reach("/", {"Host": host}, secure=True)
    assert told.path == f"/VirtualHostBase/https/{host}/Plone/VirtualHostRoot/"
    assert told.headers["x-forwarded-proto"] == "https"
    told = door.reach("/", {"Host": "www.example.com"}, secure=True)
    assert told.path == "/VirtualHostBase/https/www.example.com:443/Plone/VirtualHostRoot/"


def test_a_self_signed_certificate_makes_no_promises(door: Door) -> None:
    answer = door.get("/", {"Host": "www.example.com"}, secure=True)
    assert "strict-transport-security" not in answer.headers


def test_http_2_is_spoken(door: Door) -> None:
    done = subprocess.run(
        ["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
         "-H", "Host: www.example.com", f"https://127.0.0.1:{door.https}/"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "2 200"


def hello(door: Door, configure: str) -> str | None:
    """The version of TLS that both agree on, if any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    version = ssl.TLSVersion[configure]
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", door.https)) as connection:
        try:
            return context.wrap_socket(connection).version()
        except (ssl.SSLError, ConnectionError):
            return None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.* is deprecated")
def test_old_versions_of_tls_are_refused(door: Door) -> None:
    assert hello(door, "TLSv1_3") == "TLSv1.3"
    assert hello(door, "TLSv1_2") == "TLSv1.2"
    assert hello(door, "TLSv1_1") is None
    assert hello(door, "TLSv1") is None


def test_browsers_are_told_to_come_back_over_https_only(tmp_path: Path, farm: Farm) -> None:
    own = certificate(tmp_path, "www.example.com")
    with make_door(farm, tls_certificate=own, http_redirect="off", hsts="30d") as door:
        door.seen()
        answer = door.get(secure=True)
        assert answer.headers["strict-transport-security"] == "max-age=2592000"
        (told,) = door.seen()
        assert told.path == "/VirtualHostBase/https/localhost:443/VirtualHostRoot/"
        answer = door.get()
        assert answer.status == 200
        assert "strict-transport-security" not in answer.headers


def test_a_new_certificate_is_taken_up_by_a_reload(tmp_path: Path, farm: Farm) -> None:
    live = tmp_path / "live"
    live.mkdir()

    def renew(name: str) -> None:
        made = tmp_path / f"{name}.pem"
        certificates.make_self_signed(made, [name])
        shutil.copy(made, live / CHAIN)
        shutil.copy(made.with_name(f"{name}.pem.key"), live / KEY)

    renew("first")
    with make_door(farm, tls_certificate=live) as door:
        before = serial(door)
        renew("second")
        assert serial(door) == before
        door.reload()
        assert serial(door) != before


def test_a_directory_holds_a_certificate_for_each_host(tmp_path: Path, farm: Farm) -> None:
    for name in ("one.example", "two.example"):
        certificate(tmp_path, name)
    with make_door(farm, tls_certificate=tmp_path) as door:
        got = set()
        for name in ("one.example", "two.example"):
            context = ssl.create_default_context(cafile=str(tmp_path / f"{name}.pem"))
            with socket.create_connection(("127.0.0.1", door.https)) as connection:
                got.add(context.wrap_socket(connection, server_hostname=name).getpeercert(True))
        assert len(got) == 2
