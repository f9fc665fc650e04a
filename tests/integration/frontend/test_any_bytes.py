"""Whatever bytes a visitor sends, Zope is given no more than was answered, and never a place
on the web of the visitor's choice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.frontend.hostile import CLOSE, END, HOST, ROOT
from tests.support.door import Door, Seen, statuses
from tests.support.farm import Farm

#: What tells Zope where on the web it is; only HAProxy may say it.
PLACE = re.compile(r"(^|/)(virtualhost(base|root)([/;]|$)|_vh_)", re.IGNORECASE)

#: Of any request that Zope is given.
HEADERS = {
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
    "host": "www.example.com",
}

#: Ends whatever was sent; with it the connection.
LAST = b"GET /last HTTP/1.1\r\n" + HOST + CLOSE + END


def escaped(text: bytes, times: int) -> bytes:
    """Every letter as an escape, and these escaped again."""
    for _ in range(times):
        text = b"".join(b"%%%02x" % byte for byte in text)
    return text


def mostly(usual: list[bytes], odd: list[bytes]) -> st.SearchStrategy[bytes]:
    """What is nonsense in every part goes nowhere: four in five times the usual."""
    return st.integers(0, 4).flatmap(
        lambda n: st.sampled_from(usual) if n else st.sampled_from(odd) | st.binary(max_size=8)
    )


STEPS = mostly(
    [b"a", b"Plone", b"b.c", b"deep"],
    [b"VirtualHostBase", b"VirtualHostRoot", b"virtualhostroot;x", b"_vh_evil", b"..", b".", b""],
)

PATHS = st.builds(
    lambda steps, slash: b"/" + slash.join(steps),
    st.lists(st.builds(escaped, STEPS, st.integers(0, 2)), max_size=3),
    mostly([b"/"], [b"%2f", b"%252F", b"//", b"\\", b";/"]),
)

TARGETS = st.builds(bytes.__add__, mostly([b""], [b"http://www.example.com", b"http:"]), PATHS)

NAMES = mostly(
    [b"Content-Length", b"Transfer-Encoding", b"X-Forwarded-For", b"Connection", b"X"],
    [b"X_Forwarded_For", b"Content_Length", b"Transfer_Encoding", b"Host", b"Forwarded", b"Upgrade",
     b"X-Forwarded-Proto", b"X-Forwarded-Host", b"Content-Length ", b" Transfer-Encoding"],
)  # fmt: skip

VALUES = mostly(
    [b"3", b"0", b"chunked", b"close", b"192.0.2.66"],
    [b"03", b"+3", b"3, 3", b"identity", b"gzip, chunked", b"\x0bchunked", b"a\r\n b", b"h2c",
     b"www.example.com", b"evil.example", b"a\r\n\r\nGET /smuggled HTTP/1.1"],
)  # fmt: skip

LINES = st.builds(
    lambda name, value, end: name + b": " + value + end,
    NAMES,
    VALUES,
    mostly([b"\r\n"], [b"\n", b"\r", b"\r\n ", b"\0"]),
)

BODIES = mostly(
    [b"", b"abc", b"0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n"],
    [b"3;a\nb\r\nabc\r\n0\r\n\r\n", b"-1\r\n\r\n", b"0\r\n\r\n" + LAST, LAST],
)

REQUESTS = st.builds(
    lambda method, target, version, host, lines, body: b"".join(
        [method, b" ", target, b" HTTP/", version, b"\r\n", host, *lines, END, body]
    ),
    mostly([b"GET", b"POST"], [b"PUT", b"get"]),
    TARGETS,
    mostly([b"1.1"], [b"1.0", b"2.0", b"1.x"]),
    mostly([HOST], [b"", HOST + HOST]),
    st.lists(LINES, max_size=2),
    BODIES,
)


@pytest.fixture(scope="module")
def door(farm: Farm, program: Path) -> Iterator[Door]:
    sites = "www.example.com = /Plone"
    with farm.door(haproxy=program, sites=sites, timeout_http_request="1s") as running:
        yield running


@given(request=REQUESTS | st.binary(max_size=100))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes(door: Door, request: bytes) -> None:
    door.seen()
    answered = statuses(door.raw(request + LAST))
    seen = door.seen()
    assert len(seen) <= len(answered)
    for each in seen:
        check(each)


def check(request: Seen) -> None:
    """Its place on the web is HAProxy's word, and so is who asks."""
    assert request.path.startswith(f"{ROOT}/")
    rest = request.path.removeprefix(ROOT)
    assert not PLACE.search(rest)
    assert not PLACE.search(unquote(rest))
    assert {name: request.headers[name].lower() for name in HEADERS} == HEADERS
    assert not {"transfer-encoding", "forwarded", "x-forwarded-host"} & set(request.headers)
    # Digits and nothing else (RFC 9110, 8.6); `03` is a length too.
    length = request.headers.get("content-length", "0")
    assert re.fullmatch(r"[0-9]+", length)
    assert int(length) == len(request.body)
