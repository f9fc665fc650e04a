"""Whatever a visitor says the host is called, it is answered, and no instance fails over it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.frontend.hostile import CLOSE, END, get
from tests.integration.frontend.test_any_bytes import mostly
from tests.support.door import Door, received, statuses
from tests.support.farm import Farm

#: HAProxy passes on what Zope is told of the site, or leaves the host to Zope.
SITES = {"sites": "* = /Plone", "no sites": ""}

PIECES = mostly(
    [b"www", b"example.com", b".", b"::", b"1", b"ffff", b":8080"],
    [b"[", b"]", b":", b"::1", b"1.2.3.4", b"0.0.0.04", b"-", b"_", b"%25eth0", b"v1.x", b"/", b"@",
     b"\\", b"#", b"?", b",", b" ", b"\t", b"\xe9", b"\xbd", b"_vh_x", b"VirtualHostRoot", b"*",
     b"x" * 64, b"a." * 200, b"9" * 5000, b":65536", b":99999", b":0", b":00080", b":", b"..", b""],
)  # fmt: skip

NAMES = st.lists(PIECES, max_size=8).map(b"".join)

#: Of every kind that has got past HAProxy and broken something, and its neighbours.
BROKEN = [b"[:::::]", b"[1.2.3.4]", b"[::1", b"::1]", b"[]", b"[[::1]]", b"[::1]x", b"x[::1]",
          b"[::1.2.3.04]", b"[1:2:3:4:5:6:7:8:9]", b"[1::2::3]", b"[12345::]", b"[v1.x]",
          b"[fe80::1%25eth0]", b"[::ffff:1.2.3.256]", b"[:]", b"[.:.]"]  # fmt: skip

HOSTS = st.builds(
    bytes.__add__,
    NAMES
    | NAMES.map(lambda name: b"[" + name + b"]")
    | st.ip_addresses(v=6).map(lambda address: f"[{address}]".encode())
    | st.sampled_from(BROKEN)
    | st.text("0123456789abcdefABCDEF:.", max_size=20).map(lambda text: f"[{text}]".encode()),
    mostly([b"", b":80", b":8443"], [b":", b":1", b":65535", b":65536", b":99999", b":x", b":-1"]),
)


def one_line(host: bytes) -> bool:
    """Whether it is a header's value; what ends one is for ``test_any_bytes``."""
    return not set(host) & set(b"\r\n")


LINES = HOSTS.filter(one_line)

PATHS = st.sampled_from([b"/", b"/moved", b"/nothing"])


@pytest.fixture(scope="module")
def doors(farm: Farm, program: Path) -> Iterator[list[Door]]:
    with ExitStack() as stack:
        made = []
        for sites in SITES.values():
            options = {"haproxy": program, "sites": sites, "tls_certificate": "self-signed"}
            door = farm.door(instances=1, http_redirect="off", **options)
            door.set(https_address=f"127.0.0.1:{door.https}")
            made.append(stack.enter_context(door))
        yield made


@contextmanager
def no_traceback(farm: Farm) -> Iterator[None]:
    """The instance behind these doors logs none meanwhile."""
    before = len(farm.log("instance1.log"))
    yield
    said = farm.log("instance1.log")[before:]
    assert "Traceback" not in said
    assert "uncaptured python exception" not in said


def examples(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@given(host=LINES, path=PATHS)
@examples(200)
def test_any_host(farm: Farm, doors: list[Door], host: bytes, path: bytes) -> None:
    for door in doors:
        for secure in (False, True):
            with no_traceback(farm):
                answer = door.raw(get(path, host=b"Host: " + host + b"\r\n"), secure=secure)
            assert served(answer)


@pytest.mark.parametrize("path", [b"/", b"/moved"])
def test_no_host(farm: Farm, doors: list[Door], path: bytes) -> None:
    for door in doors:
        for secure in (False, True):
            with no_traceback(farm):
                answer = door.raw(b"GET " + path + b" HTTP/1.0\r\n\r\n", secure=secure)
            assert served(answer)


@given(host=LINES | st.binary(max_size=20).filter(one_line), path=PATHS, url=st.booleans())
@examples(300)
def test_any_host_at_the_instance_itself(farm: Farm, host: bytes, path: bytes, url: bool) -> None:
    if url and b"/" not in host:
        path = b"http://" + host + path
    request = b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + CLOSE + END
    address = farm.stack.instances[0].address
    with (
        no_traceback(farm),
        socket.create_connection((address.host, address.port), timeout=20) as connection,
    ):
        connection.sendall(request)
        answer = received(connection)
    assert served(answer)


def served(answer: bytes) -> bool:
    """Whether there is one answer, and it does not say that the server has failed."""
    (status,) = statuses(answer)
    return status < 500
