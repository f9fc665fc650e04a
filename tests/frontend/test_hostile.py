"""Hostile requests, as raw bytes over a real socket, and the one outcome each must have.

Every case says what comes back and what reaches an instance: nothing, or one request
whose every part is unambiguous. A request smuggled behind another would be one too many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.frontend.harness import Door

HOST = b"Host: www.example.com\r\n"
CLOSE = b"Connection: close\r\n"
END = b"\r\n"

#: The visitor's path "/" as an instance sees it.
ROOT = "/VirtualHostBase/http/www.example.com:80/Plone/VirtualHostRoot"

#: The body reached the instance as this.
ABC = "abc"

SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + CLOSE + END


@dataclass(frozen=True)
class Case:
    """A hostile request.

    :param status: of each answer, in turn; empty where the connection is just closed.
    :param reached: path and body of each request that an instance saw.
    """

    name: str
    request: bytes
    status: tuple[int, ...]
    reached: tuple[tuple[str, str], ...] = ()


def refused(name: str, request: bytes, status: int = 400) -> Case:
    """A request that is answered by HAProxy and seen by nobody else."""
    return Case(name, request, (status,))


def passed(name: str, request: bytes, path: str = "/", body: str = "") -> Case:
    """A request that reaches an instance once, in one unambiguous form."""
    return Case(name, request, (200,), ((ROOT + path, body),))


def get(path: bytes = b"/", headers: bytes = b"", host: bytes = HOST) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + host + CLOSE + headers + END


def post(headers: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"POST / HTTP/" + version + b"\r\n" + HOST + CLOSE + headers + END + body


def chunked(body: bytes, header: bytes = b"Transfer-Encoding: chunked\r\n") -> bytes:
    return post(header, body)


LENGTH = (
    passed("the same length twice", post(b"Content-Length: 3\r\n" * 2, b"abc"), body=ABC),
    refused("two lengths", post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd")),
    refused("a list of lengths", post(b"Content-Length: 3, 4\r\n", b"abcd")),
    refused("a signed length", post(b"Content-Length: +3\r\n", b"abc")),
    refused("a negative length", post(b"Content-Length: -1\r\n", b"abc")),
    refused("a hexadecimal length", post(b"Content-Length: 0x3\r\n", b"abc")),
    refused("a space before the length's colon", post(b"Content-Length : 3\r\n", b"abc")),
    refused("an empty length", post(b"Content-Length: \r\n", b"abc")),
    refused("a length past 64 bits", post(b"Content-Length: 99999999999999999999999\r\n")),
    refused("a length past the limit", post(b"Content-Length: 1073741825\r\n"), 413),
    refused("a length past 32 bits", post(b"Content-Length: 2000000000000\r\n"), 413),
    Case(
        "a request in the body of a GET",
        b"GET / HTTP/1.1\r\n"
        + HOST
        + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED)
        + SMUGGLED
        + b"GET /second HTTP/1.1\r\n"
        + HOST
        + CLOSE
        + END,
        (200, 200),
        ((f"{ROOT}/", SMUGGLED.decode()), (f"{ROOT}/second", "")),
    ),
)

CHUNKS = (
    # The length is dropped, and what follows the last chunk is never a request: the client
    # wanted the connection closed.
    passed(
        "a length and chunks",
        post(
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            b"3\r\nabc\r\n0\r\n\r\n" + SMUGGLED,
        ),
        body=ABC,
    ),
    passed(
        "chunks and a length",
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 100\r\n", b"0\r\n\r\n" + SMUGGLED),
    ),
    refused("two codings", chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n" * 2)),
    refused(
        "a coding taken back",
        chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    ),
    refused("an unknown coding", chunked(b"0\r\n\r\n", b"Transfer-Encoding: xchunked\r\n")),
    refused("a quoted coding", chunked(b"0\r\n\r\n", b'Transfer-Encoding: "chunked"\r\n')),
    refused(
        "two codings in one", chunked(b"0\r\n\r\n", b"Transfer-Encoding: gzip, chunked\r\n"), 422
    ),
    refused(
        "a coding after a vertical tab",
        chunked(b"0\r\n\r\n", b"Transfer-Encoding: \x0bchunked\r\n"),
    ),
    refused(
        "a space before the coding's colon",
        chunked(b"0\r\n\r\n", b"Transfer-Encoding : chunked\r\n"),
    ),
    passed(
        "a coding on a folded line", chunked(b"0\r\n\r\n", b"Transfer-Encoding:\r\n chunked\r\n")
    ),
    passed(
        "a coding in mixed case",
        chunked(b"3\r\nabc\r\n0\r\n\r\n", b"Transfer-Encoding: cHuNkEd\r\n"),
        body=ABC,
    ),
    refused(
        "chunks in HTTP/1.0",
        post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED, b"1.0"),
    ),
    refused("a negative chunk", chunked(b"-1\r\nabc\r\n0\r\n\r\n")),
    refused("a chunk size with 0x", chunked(b"0x3\r\nabc\r\n0\r\n\r\n")),
    refused("a chunk size past 64 bits", chunked(b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n")),
    refused("a chunk longer than it says", chunked(b"2\r\nabc\r\n0\r\n\r\n")),
    refused("a line feed in a chunk's extension", chunked(b"3;a\nb\r\nabc\r\n0\r\n\r\n")),
    passed("a chunk's extension", chunked(b"3;a=b\r\nabc\r\n0\r\n\r\n"), body=ABC),
    passed("a trailer", chunked(b"3\r\nabc\r\n0\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n"), body=ABC),
)

LINES = (
    passed("bare line feeds", b"GET / HTTP/1.1\nHost: www.example.com\nConnection: close\n\n"),
    refused("a bare carriage return", get(headers=b"X-A: a\rX-Forwarded-For: 192.0.2.66\r\n")),
    passed("a folded header", get(headers=b"X-A: a\r\n b\r\n")),
    refused("a folded first line", b"GET / HTTP/1.1\r\n Host: x\r\n" + HOST + CLOSE + END),
    refused("a NUL in a header", get(headers=b"X-A: a\x00b\r\n")),
    refused("a NUL in a header's name", get(headers=b"X\x00A: b\r\n")),
    refused("a space in a header's name", get(headers=b"X A: b\r\n")),
    refused("a line without a colon", get(headers=b"Nonsense\r\n")),
    refused("a header without a name", get(headers=b": x\r\n")),
    refused("one header of 16 kB", get(headers=b"X: " + b"a" * 16384 + b"\r\n")),
    refused("200 headers", get(headers=b"".join(b"X%d: a\r\n" % i for i in range(200)))),
    passed("a header of 12 kB", get(headers=b"X: " + b"a" * 12288 + b"\r\n")),
    refused("bytes that are no HTTP", b"\x00\x01\x02\x03\xff\r\n\r\n"),
    refused("a TLS hello in plain", bytes.fromhex("16030100c8010000c40303") + bytes(200)),
    refused("HTTP/0.9", b"GET /\r\n"),
    refused("the HTTP/2 preface in plain", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    passed(
        "an upgrade to HTTP/2 in plain", get(headers=b"Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\n")
    ),
    refused(
        "the PROXY protocol of a stranger", b"PROXY TCP4 192.0.2.66 192.0.2.1 1 80\r\n" + get()
    ),
)

METHODS = (
    refused("TRACE", get().replace(b"GET", b"TRACE"), 405),
    refused("CONNECT", get(b"evil.example:443").replace(b"GET", b"CONNECT"), 400),
    refused("a method nobody uses", get().replace(b"GET", b"PROPFIND"), 405),
    refused("a method in small letters", get().replace(b"GET", b"get"), 405),
    refused("a method with a bracket", get().replace(b"GET", b"GE(T")),
    refused("the whole server", get(b"*").replace(b"GET", b"OPTIONS")),
)

PATHS = (
    refused("a control character", get(b"/\x01")),
    refused("a byte past ASCII", get(b"/\xff")),
    refused("a space", get(b"/a b")),
    refused("no slash", get(b"x")),
    refused("an escape that is none", get(b"/%zz")),
    refused("an escape cut off", get(b"/a%4")),
    refused("an escaped NUL", get(b"/a%00")),
    refused("an escaped line end", get(b"/a%0d%0aX:y")),
    refused("a URL of 20 kB", get(b"/" + b"a" * 20480)),
    refused("out of the folder", get(b"/../../etc/passwd")),
    refused("out of the folder, escaped", get(b"/%2e%2e/%2E%2e/etc/passwd")),
    refused("out of the folder, with escaped slashes", get(b"/a/..%2f..%2fetc/passwd")),
    refused("out of the folder, escaped twice", get(b"/%252e%252e/etc/passwd")),
    refused("out of the folder, with backslashes", get(b"/..%5c..%5cetc")),
    refused("out of the folder, at the end", get(b"/a/..")),
    passed("two dots in a name", get(b"/a..b"), "/a..b"),
    passed("a whole URL", get(b"http://www.example.com/x"), "/x"),
    passed("a whole URL with a password", get(b"http://u:p@www.example.com/x"), "/x"),
    refused("a whole URL of another host", get(b"http://evil.example/x")),
    refused("a whole URL of another scheme", get(b"ftp://www.example.com/x")),
)

FORGERIES = (
    refused("VirtualHostBase", get(b"/VirtualHostBase/http/evil.example:80/VirtualHostRoot/")),
    refused("VirtualHostRoot", get(b"/a/VirtualHostRoot/")),
    refused("VirtualHostRoot at the end", get(b"/a/VirtualHostRoot")),
    refused("VirtualHostRoot in small letters", get(b"/a/virtualhostroot/")),
    refused("VirtualHostBase, escaped", get(b"/%56irtualHostBase/http/evil.example:80/")),
    refused("VirtualHostRoot, escaped", get(b"/VirtualHost%52oot/")),
    refused("VirtualHostRoot, with escaped slashes", get(b"/a%2FVirtualHostRoot%2f")),
    refused("VirtualHostRoot, escaped twice", get(b"/VirtualHost%2552oot/")),
    refused("VirtualHostRoot after two slashes", get(b"//VirtualHostRoot/")),
    refused("VirtualHostRoot with a parameter", get(b"/VirtualHostRoot;x/")),
    refused("VirtualHostRoot beside a broken escape", get(b"/VirtualHost%52oot/%zz")),
    refused("VirtualHostRoot in a whole URL", get(b"http://www.example.com/VirtualHostRoot/")),
    refused("_vh_", get(b"/_vh_evil/")),
    refused("_vh_, escaped", get(b"/%5fvh%5Fevil/")),
    passed("the words in a query", get(b"/?a=/VirtualHostRoot/")),
)

HOSTS = (
    refused("another host", get(host=b"Host: evil.example\r\n"), 421),
    refused("another port", get(host=b"Host: www.example.com:1337\r\n"), 421),
    refused("no host", get(host=b""), 421),
    refused("no host in HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", 421),
    refused("two hosts", get(headers=b"Host: evil.example\r\n")),
    refused("an empty host", get(host=b"Host:\r\n")),
    refused("a host with a path", get(host=b"Host: www.example.com/evil\r\n")),
    refused("a host with a user", get(host=b"Host: www.example.com@evil.example\r\n")),
    refused("a list of hosts", get(host=b"Host: www.example.com, evil.example\r\n")),
    refused("a port that is none", get(host=b"Host: www.example.com:8x\r\n")),
    passed("a host in capitals", get(host=b"Host: WWW.Example.COM\r\n")),
)

CASES = (*LENGTH, *CHUNKS, *LINES, *METHODS, *PATHS, *FORGERIES, *HOSTS)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with Door(sites="www.example.com = /Plone", timeout_http_request="2s") as running:
        yield running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome(door: Door, case: Case) -> None:
    answer = door.raw(case.request)
    status = tuple(int(code) for code in re.findall(rb"HTTP/1\.[01] ([2-5]\d\d) ", answer))
    assert status == case.status
    reached = [(seen["path"], seen["body"]) for seen in door.seen()]
    assert sorted(reached) == sorted(case.reached)


def test_there_are_enough_of_them() -> None:
    assert len({case.request for case in CASES}) == len(CASES) >= 60


def test_nothing_a_visitor_claims_to_be_told_by_a_proxy_reaches_zope(door: Door) -> None:
    claims = {
        "X-Forwarded-For": "192.0.2.66",
        "X_Forwarded_For": "192.0.2.66",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Server": "evil.example",
        "Forwarded": "for=192.0.2.66",
        "X-Real-IP": "192.0.2.66",
        "X-Request-ID": "evil",
        "Proxy": "http://evil.example",
        "Zopestack-Lane": "callback",
    }
    headers = door.get("/", {"Host": "www.example.com", **claims}).json()["headers"]
    request_id = headers.pop("x-request-id")
    assert len(request_id) == 36
    assert headers == {
        "host": "www.example.com",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
    }
    door.seen()


def test_what_the_software_is_called_stays_inside(door: Door) -> None:
    headers = door.get("/", {"Host": "www.example.com"}).headers
    assert not {"server", "x-powered-by", "via"} & set(headers)
    door.seen()


@pytest.mark.parametrize("path", ["/health", "/metrics", "/;csv", "/haproxy?stats"])
def test_neither_agents_nor_the_status_page_answer_at_the_front_door(door: Door, path: str) -> None:
    answer = door.get(path, {"Host": "www.example.com"})
    assert answer.json()["path"].endswith(path.partition("?")[0])
    door.seen()
