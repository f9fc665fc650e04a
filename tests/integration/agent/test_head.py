"""A response to HEAD has no body, whatever the application gives, so that the next response on the
same connection is the next request's (RFC 9110, 9.3.2)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.integration.agent.serving import serving

Start = Callable[..., Any]

#: What another visitor would be shown.
FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

LENGTH = [("Content-Length", str(len(FORGED)))]

WRAPPED: list[io.BytesIO] = []


def whole(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", LENGTH)
    return [FORGED]


def not_found(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("404 Not Found", LENGTH)
    return [FORGED]


def pieces(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", LENGTH)
    return (FORGED[at : at + 10] for at in range(0, len(FORGED), 10))


def written(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", LENGTH)(FORGED)
    return []


def file(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", LENGTH)
    WRAPPED.append(io.BytesIO(FORGED))
    return environ["wsgi.file_wrapper"](WRAPPED[-1])  # type: ignore[no-any-return]


def counted(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """One piece without a length: waitress counts it."""
    start_response("200 OK", [])
    return [FORGED]


def nothing(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", LENGTH)
    return []


def endless(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Pieces without a length: waitress closes the connection, and says so."""
    start_response("200 OK", [])
    return (FORGED for _ in range(3))


def broken(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    raise RuntimeError(FORGED.decode())


PAGES = (whole, not_found, pieces, written, file, counted, nothing, endless, broken)

#: They end the connection.
CLOSED = (endless, broken)


def served(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/next":
        start_response("200 OK", [("Content-Length", "4")])
        return [b"next"]
    page = next(each for each in PAGES if environ["PATH_INFO"] == f"/{each.__name__}")
    return page(environ, start_response)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
@pytest.mark.parametrize("threads", [1, 2])
def test_headers_only(page: Callable[..., Any], threads: int) -> None:
    head = f"HEAD /{page.__name__} HTTP/1.1\r\nHost: x\r\n\r\n"
    last = "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with serving(served, threads) as books, books.connect(f"{head}{last}".encode()) as client:
        sent = b"".join(iter(lambda: client.recv(1 << 16), b""))
    headers, _, rest = sent.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 ")
    if page in CLOSED:
        assert b"\r\nConnection: close" in headers
        assert rest == b""
    else:
        assert (b"\r\nContent-Length: %d" % len(FORGED)) in headers
        assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
        assert rest.endswith(b"\r\n\r\nnext")
    assert b"forged" not in sent
    assert all(each.closed for each in WRAPPED)
