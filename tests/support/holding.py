"""Ways in which a client holds an instance's slot while its thread has nothing to do.

Each takes a door, or over plain http any deployment, and keeps what it opens on a stack, which
is closed when the client leaves.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.support.deployment import Deployment
from tests.support.door import Door
from tests.support.http2 import Connection
from zopestack.features.timings import Sizes

#: Whose address is counted, unlike 127.0.0.1.
HOLDER = "127.0.0.2"

#: More than any of the layouts has threads.
AT_ONCE = 6

#: More than HAProxy keeps of a body before it sends the request on.
BEGINNING = b"a" * (Sizes().buffer + 1000)

HOST = b"Host: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
EXPECT = b"Expect: 100-continue\r\n"

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

#: Around what HAProxy's buffer and the kernel's hold.
SIZES = (
    *(8000, 16384, 66000, 131_000, 300_000),
    *(Sizes().buffer + beyond for beyond in (-2000, -1500, -1024, -500, -200, 0, 100, 1000)),
)

Hold = Callable[[Any, ExitStack], None]


@dataclass(frozen=True)
class Way:
    """A way to hold a slot.

    :param secure: whether it needs https.
    """

    name: str
    hold: Hold
    secure: bool = False


def connected(door: Deployment, held: ExitStack) -> socket.socket:
    """A connection that takes as little as can be before it is made to read."""
    connection = held.enter_context(socket.socket())
    # Before it connects: later the kernel has promised more.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    connection.bind((HOLDER, 0))
    connection.connect(("127.0.0.1", door.ports.http))
    return connection


def sent(*parts: bytes, times: int = 1) -> Hold:
    """Requests on connections of their own, of which nothing is read."""

    def hold(door: Deployment, held: ExitStack) -> None:
        for _ in range(AT_ONCE):
            connected(door, held).sendall(b"".join(parts) * times)

    return hold


def half_closed(request: bytes) -> Hold:
    """The same, by clients that say that they have nothing more to send."""

    def hold(door: Deployment, held: ExitStack) -> None:
        for _ in range(AT_ONCE):
            connection = connected(door, held)
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)

    return hold


def aborted(request: bytes) -> Hold:
    """The same, by clients that are gone at once."""

    def hold(door: Deployment, held: ExitStack) -> None:
        for _ in range(AT_ONCE * 5):
            with ExitStack() as once:
                connected(door, once).sendall(request)

    return hold


def request(method: str, path: str, *headers: bytes, version: str = "1.1") -> bytes:
    return f"{method} {path} HTTP/{version}\r\n".encode() + HOST + b"".join(headers) + b"\r\n"


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


def opened(method: str, *headers: tuple[str, str]) -> Hold:
    """HTTP/2 streams that are not ended."""

    def hold(door: Door, held: ExitStack) -> None:
        connection = multiplexed(door, held)
        for _ in range(AT_ONCE):
            connection.open([*pseudo(method, "/"), *headers])

    return hold


def stopped(*headers: tuple[str, str]) -> Hold:
    """HTTP/2 streams whose bodies are past what HAProxy keeps, and go no further."""

    def hold(door: Door, held: ExitStack) -> None:
        # Another connection for each: HAProxy takes 64 kB at first.
        for _ in range(AT_ONCE):
            multiplexed(door, held).open([*pseudo("POST", "/"), *headers], BEGINNING)

    return hold


def multiplexed(door: Door, held: ExitStack, window: int | None = None) -> Connection:
    """An HTTP/2 connection."""
    connected = door.connect(HOLDER, secure=True, protocol="h2")
    return held.enter_context(Connection(connected, window))


def windowed(path: str, window: int, streams: int = AT_ONCE) -> Hold:
    """HTTP/2 streams on which no more than so many bytes are asked for."""

    def hold(door: Door, held: ExitStack) -> None:
        connection = multiplexed(door, held, window)
        for _ in range(streams):
            connection.send(pseudo("GET", path))

    return hold


def taken_back(door: Door, held: ExitStack) -> None:
    """HTTP/2 streams that are reset as soon as they are opened."""
    connection = multiplexed(door, held)
    for _ in range(AT_ONCE * 5):
        connection.take_back(connection.open(pseudo("POST", "/"), b"a"))


def pseudo(method: str, path: str) -> list[tuple[str, str]]:
    return [
        (":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path),
    ]  # fmt: skip


EXPECTING = (
    Way("an expectation and no body", sent(request("GET", "/", EXPECT))),
    Way("an expectation and an empty body", sent(request("GET", "/", EXPECT, length(0)))),
    Way("an expectation and no body, by POST", sent(request("POST", "/", EXPECT))),
    Way("an expectation and an empty body, by PUT", sent(request("PUT", "/", EXPECT, length(0)))),
    Way(
        "an expectation and a body that never comes", sent(request("POST", "/", EXPECT, length(9)))
    ),
    Way("an expectation and chunks that never come", sent(request("POST", "/", EXPECT, CHUNKED))),
    Way("an expectation in HTTP/1.0", sent(request("GET", "/", EXPECT, version="1.0"))),
    Way("expectations in a row", sent(request("GET", "/", EXPECT), times=20)),
    Way(
        "an expectation and a body that stops",
        sent(request("POST", "/", EXPECT, length(99999)), BEGINNING),
    ),
)

BODIES = (
    *(
        Way(f"a body that never comes, by {method}", sent(request(method, "/", length(9))))
        for method in METHODS
    ),
    *(
        Way(f"a body that stops, by {method}", sent(request(method, "/", length(99999)), BEGINNING))
        for method in METHODS
    ),
    Way(
        "a body that stops, in HTTP/1.0",
        sent(request("POST", "/", length(99999), version="1.0"), BEGINNING),
    ),
    Way("chunks that never come", sent(request("GET", "/", CHUNKED))),
    Way("a chunk that never comes", sent(request("POST", "/", CHUNKED), b"ffff\r\n")),
    Way("a chunk that stops", sent(request("POST", "/", CHUNKED), b"ffff\r\n", BEGINNING)),
    Way(
        "chunks without the last one",
        sent(request("POST", "/", CHUNKED), b"%x\r\n%s\r\n" % (len(BEGINNING), BEGINNING)),
    ),
    Way(
        "chunks without their end",
        sent(request("POST", "/", CHUNKED), b"%x\r\n%s\r\n0\r\n" % (len(BEGINNING), BEGINNING)),
    ),
    Way(
        "a body that stops, half closed",
        half_closed(request("POST", "/", length(99999)) + BEGINNING),
    ),
    Way("a body that stops, aborted", aborted(request("POST", "/", length(99999)) + BEGINNING)),
    Way(
        "chunks that stop, aborted",
        aborted(request("POST", "/", CHUNKED) + b"ffff\r\n" + BEGINNING),
    ),
)

ANSWERS = (
    *(
        Way(f"an unread answer of {size} bytes", sent(request("GET", f"/sized?bytes={size}")))
        for size in SIZES
    ),
    *(
        Way(
            f"unread answers of {size} bytes in a row",
            sent(request("GET", f"/sized?bytes={size}"), times=400),
        )
        for size in (1, 15500, 17500)
    ),
    Way("an unread file", sent(request("GET", "/stream"))),
    Way("unread files in a row", sent(request("GET", "/stream"), times=20)),
    Way("an unread page to a POST", sent(request("POST", "/sized?bytes=15500", length(3)), b"a=b")),
    Way("an unread file, in HTTP/1.0", sent(request("GET", "/stream", version="1.0"))),
    Way("an unread page, half closed", half_closed(request("GET", "/sized?bytes=300000"))),
    Way("an unread page, aborted", aborted(request("GET", "/sized?bytes=300000"))),
    Way("an unread file, aborted", aborted(request("GET", "/stream"))),
    Way("unread not founds in a row", sent(request("GET", "/nothing"), times=400)),
)

STREAMS = (
    *(
        Way(f"a stream that is not ended, by {method}", opened(method), secure=True)
        for method in METHODS
    ),
    Way("streams that stop", stopped(), secure=True),
    Way("streams that stop before their length", stopped(("content-length", "99999")), secure=True),
    Way("a stream with an expectation", opened("POST", ("expect", "100-continue")), secure=True),
    Way("streams taken back", taken_back, secure=True),
    *(
        Way(f"a window of {window} for {path}", windowed(path, window), secure=True)
        for window in (0, 1000)
        for path in ("/", "/sized?bytes=15500", "/sized?bytes=66000", "/stream")
    ),
    Way("a window of 0 for 30 files", windowed("/stream", 0, streams=30), secure=True),
)

WAYS = (*EXPECTING, *BODIES, *ANSWERS, *STREAMS)
