"""Hostile TLS, and HTTP/2 that no honest client speaks, with the one outcome each must have."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.frontend.hostile import Case, Others, Outcome, names
from tests.support.door import Door, received
from tests.support.farm import Farm
from tests.support.http2 import Connection, Headers
from tests.support.polling import until

HOST = "www.example.com"

#: The visitor's path "/" as Zope is given it.
ROOT = f"/VirtualHostBase/https/{HOST}:443/Plone/VirtualHostRoot"


@pytest.fixture(scope="module")
def door(farm: Farm, program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """In front of it, each HAProxy of this machine in turn."""
    options = {
        "max_body_size": "20kB",
        "haproxy": program,
        "sites": f"{HOST} = /Plone",
        "tls_certificate": "self-signed",
    }
    extra = names(tmp_path_factory.mktemp("extra"))
    made = farm.door(timeout_http_request="2s", frontend_extra=extra, **options)
    made.set(https_address=f"127.0.0.1:{made.https}")
    with made as running:
        yield running


def still_serves(door: Door) -> bool:
    return door.get("/", {"Host": HOST}, secure=True).status == 200


BAD_HELLOS = {
    "http on the https port": b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
    "zeros": bytes(64),
    "a record that is too long": bytes.fromhex("160301ffff") + bytes(70000),
    "a hello cut off": bytes.fromhex("16030100c8010000c40303"),
    "SSL 2": bytes.fromhex("802e0100020015000000100100800200800600400400800700c0"),
    "an alert first": bytes.fromhex("15030300020228"),
}


@pytest.mark.parametrize("name", BAD_HELLOS)
def test_a_bad_hello_gets_no_further(door: Door, name: str) -> None:
    before = door.handed()
    with socket.create_connection(("127.0.0.1", door.https), timeout=90) as connection:
        try:
            connection.sendall(BAD_HELLOS[name])
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        # At most a TLS alert (type 21), never an HTTP answer.
        assert received(connection)[:1] in (b"", b"\x15")
    assert door.handed() == before
    assert still_serves(door)


@dataclass(frozen=True)
class Request:
    """What is sent on a stream of its own."""

    headers: Headers
    body: bytes | None = None
    trailers: Headers = ()


def request(*more: tuple[str, str], **pseudo: str) -> Headers:
    """The headers of a GET; ``path="/x"`` for another path, and further ones."""
    given = {"method": "GET", "scheme": "https", "authority": HOST, "path": "/", **pseudo}
    return (*((f":{name}", value) for name, value in given.items() if value), *more)


def post(*more: tuple[str, str]) -> Headers:
    return request(*more, method="POST")


SMUGGLED = f"GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n"


def refused(
    name: str, headers: Headers, *status: int, others: Others | None = None, **sent: object
) -> Case:
    """One that no instance hears of; without a status HAProxy ends the stream, or more."""
    return Case(name, Request(headers, **sent), Outcome(status), others or {})


def once(body: bytes = b"") -> Outcome:
    """Zope is given it once."""
    return Outcome((200,), ((f"{ROOT}/", body.decode()),))


def passed(name: str, headers: Headers, body: bytes | None = None, trailers: Headers = ()) -> Case:
    """One that reaches Zope once, in one unambiguous form."""
    return Case(name, Request(headers, body, trailers), once(body or b""))


CASES = (
    passed("an honest request", request()),
    passed("an honest body", post(("content-length", "3")), b"abc"),
    passed("a body without a length", post(), b"abc"),
    # What Python's URL parser breaks on.
    refused("a host that is no IPv6 address", request(authority="[:::::]:1"), 400),
    refused("a host with an empty label", request(authority="www..example.com"), 400),
    refused("a port past all ports", request(authority=f"{HOST}:65536"), 400),
    # What leaves open where a request ends once it is written as HTTP/1.1.
    refused("more than the length says", post(("content-length", "3")), body=b"abcd"),
    refused("less than the length says", post(("content-length", "5")), body=b"abc"),
    refused("a request behind the length", post(("content-length", "0")), body=SMUGGLED.encode()),
    refused("a length without a body", post(("content-length", "3")), others={(2, 6): once()}),
    refused(
        "two lengths",
        post(("content-length", "3"), ("content-length", "4")),
        body=b"abc",
    ),
    refused("a signed length", post(("content-length", "+3")), body=b"abc"),
    refused("a coding", post(("transfer-encoding", "chunked")), body=b"0\r\n\r\n"),
    refused("another coding", post(("transfer-encoding", "identity")), body=b"abc"),
    refused("Connection", request(("connection", "x-forwarded-for"))),
    refused("Keep-Alive", request(("keep-alive", "timeout=5"))),
    refused("Proxy-Connection", request(("proxy-connection", "keep-alive"))),
    refused("Upgrade", request(("upgrade", "h2c"))),
    refused("TE other than trailers", request(("te", "gzip"))),
    passed("TE: trailers", request(("te", "trailers"))),
    refused("a length in a trailer", post(), body=b"abc", trailers=(("content-length", "99"),)),
    passed("a forged trailer", post(), b"abc", (("x-forwarded-for", "192.0.2.66"),)),
    refused("a path in a trailer", post(), body=b"abc", trailers=((":path", "/smuggled"),)),
    # Names and values that HTTP/1.1 could not carry.
    refused("a name in capitals", request(("X-Forwarded-For", "192.0.2.66"))),
    refused("a length in capitals", post(("Content-Length", "3")), body=b"abc"),
    refused("a line end in a value", request(("x", f"a\r\n\r\n{SMUGGLED}"))),
    refused("a line feed in a value", request(("x", "a\nx-forwarded-for: 192.0.2.66"))),
    refused("a NUL in a value", request(("x", "a\0b"))),
    refused("a line end in a name", request(("x: a\r\ny", "b"))),
    refused("a colon in a name", request(("x:y", "a"))),
    refused("a space in a name", request(("x y", "a"))),
    refused("an empty name", request(("", "a"))),
    refused(
        "a line end in the method",
        request(method=f"GET / HTTP/1.1\r\nX: y\r\n\r\n{SMUGGLED}"),
    ),
    refused("a space in the method", request(method="GET /smuggled HTTP/1.1"), 400),
    refused(
        "a line end in the path",
        request(path=f"/ HTTP/1.1\r\nX: y\r\n\r\n{SMUGGLED}"),
    ),
    refused("a space in the path", request(path="/x y")),
    refused("a line end in the authority", request(authority=f"{HOST}\r\nX: y")),
    refused("a line end in the scheme", request(scheme="https\r\nX: y")),
    # Pseudo-headers.
    refused("two paths", request((":path", "/smuggled"))),
    refused("two methods", request((":method", "POST"))),
    refused("two authorities", request((":authority", "evil.example"))),
    refused("a pseudo-header after the others", (*request(path=""), ("x", "y"), (":path", "/"))),
    refused("a pseudo-header nobody knows", request((":x", "y"))),
    refused("an answer's pseudo-header", request((":status", "200"))),
    refused("no path", request(path="")),
    refused("no method", request(method="")),
    refused("no scheme", request(scheme="")),
    refused("a path without a slash", request(path="x")),
    refused(
        "the whole server",
        request(path="*", method="OPTIONS"),
        400,
        # For 3.0 it is the path "/".
        others={(3, 0): once(), (3, 2): Outcome((400,))},
    ),
    refused("a whole URL for a path", request(path="http://evil.example/")),
    refused(
        "CONNECT", request(method="CONNECT", path="", scheme="", authority="evil.example:443"), 405
    ),
    refused("TRACE", request(method="TRACE"), 405),
    refused("another scheme", request(scheme="ftp"), 400),
    # Which host it is.
    refused("another host", request(authority="evil.example"), 421),
    passed("a host that contradicts", request(("host", "evil.example"))),
    passed("a host that agrees", request(("host", HOST))),
    passed("a host alone", request(("host", HOST), authority="")),
    passed("two hosts alone", request(("host", HOST), ("host", "evil.example"), authority="")),
    refused("no host", request(authority=""), 421),
    refused(
        "an authority with a user",
        request(authority=f"evil@{HOST}"),
        others={(2, 6): Outcome((400,))},
    ),
    refused(
        "an authority with a path",
        request(authority=f"{HOST}/VirtualHostRoot"),
        others={(2, 6): Outcome((400,))},
    ),
    # Where Zope is on the web.
    refused("VirtualHostRoot", request(path="/a/VirtualHostRoot/"), 400),
    refused(
        "VirtualHostBase, escaped", request(path="/%56irtualHostBase/http/evil.example:80/"), 400
    ),
    refused("_vh_, escaped twice", request(path="/%255fvh%255fevil/"), 400),
    refused("out of the folder", request(path="/../etc/passwd"), 400),
    refused("a control character, escaped", request(path="/a%0d%0aX:y"), 400),
    # Size.
    refused("a length past the limit", post(("content-length", "20481")), 413, body=b"a" * 20481),
    refused("one header of 16 kB", request(("x", "a" * 16384)), 431),
    refused("200 headers", request(*((f"x{number}", "a") for number in range(200)))),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome(door: Door, case: Case) -> None:
    def send() -> tuple[int, ...]:
        with Connection(door.connect(secure=True, protocol="h2")) as connection:
            sent = case.request
            answer = connection.outcome(connection.send(sent.headers, sent.body, sent.trailers))
            return (answer,) if answer else ()

    case.check(door, send, "https")


def test_the_outcome_is_not_the_connections(door: Door) -> None:
    """What one stream does wrong another is served beside."""
    with Connection(door.connect(secure=True, protocol="h2")) as connection:
        bad = connection.send(post(("content-length", "3")), b"abcd")
        good = connection.send(request())
        assert connection.outcome(bad) is None
        assert connection.outcome(good) == 200


def test_requests_taken_back_at_once_cost_nobody_a_page(door: Door) -> None:
    """CVE-2023-44487: opened and reset, over and over."""
    with Connection(door.connect("127.0.0.5", secure=True, protocol="h2")) as connection:
        for _ in range(500):
            connection.take_back(connection.send(request(path="/deep")))
        assert still_serves(door)
    # The next test counts requests.
    until("their end", lambda: door.figures()["zope/BACKEND"]["scur"], "0".__eq__)


def test_headers_without_an_end_are_cut_off(door: Door) -> None:
    """CVE-2024-27316: CONTINUATION frames on and on."""
    before = door.handed()
    with Connection(door.connect(secure=True, protocol="h2")) as connection:
        connection.continue_for_ever()
        assert connection.outcome(1) is None
    assert door.handed() == before
    assert still_serves(door)
