"""Where a response ends, however it is cut into pieces."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zopestack.features.address import Address
from zopestack_bench import load
from zopestack_bench.record import Closed, Measured

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
)
CLOSE = b"HTTP/1.0 200 OK\r\n\r\nhello"
EMPTY = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"


class Scripted:
    """A server that sends the same pieces for each request.

    :param serves: requests on a connection; it closes when there is one more, without a word.
    :param closes: whether it closes after a response.
    :ivar connections: how many it was asked on.
    """

    def __init__(self, pieces: Sequence[bytes], closes: bool = False, serves: int = 10**6) -> None:
        self.pieces, self.closes, self.serves, self.connections = pieces, closes, serves, 0
        self.listener = socket.create_server(("127.0.0.1", 0))

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            with connection:
                for _ in range(self.serves):
                    if not connection.recv(1000):
                        break
                    for piece in self.pieces:
                        connection.sendall(piece)
                    if self.closes:
                        break
                else:
                    connection.recv(1000)


@contextmanager
def running(server: Scripted) -> Iterator[Address]:
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield Address(*server.listener.getsockname())
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    thread.join()


def asked(server: Scripted) -> Measured:
    """One client for a moment: at least one request."""
    with running(server) as address:
        return load.run(address, ("/",), Closed(1), 0.005, patience=2)


def asked_often(pieces: Sequence[bytes], serves: int = 10**6) -> tuple[Scripted, Measured]:
    """One client for as long as three requests take on this machine, and the server it asked."""
    for seconds in (0.05, 0.5, 5, 50):
        server = Scripted(pieces, serves=serves)
        with running(server) as address:
            measured = load.run(address, ("/",), Closed(1), seconds)
        if measured.requests > 2 or measured.errors:
            break
    return server, measured


@given(st.sampled_from([LENGTH, CHUNKED, EMPTY]), st.data())
@settings(deadline=None, max_examples=60)
def test_complete_exactly_at_the_last_byte(whole: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(1, len(whole) - 1), unique=True)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    server = Scripted(pieces)
    measured = asked(server)
    assert measured.requests > 0
    assert measured.errors == {}
    # A byte too few or too many would spoil the next response on the same connection.
    assert server.connections == 1


def test_without_a_length_the_end_is_the_close() -> None:
    server = Scripted([CLOSE], closes=True)
    measured = asked(server)
    assert measured.errors == {}
    assert server.connections == measured.requests > 0


@pytest.mark.parametrize("cut", [LENGTH[:-1], CHUNKED[:-3], b"HTTP/1.1 200"])
def test_a_response_cut_short_is_not_complete(cut: bytes) -> None:
    measured = asked(Scripted([cut], closes=True))
    assert measured.requests == 0
    assert set(measured.errors) == {"broken"}


def test_a_connection_closed_without_a_response_is_an_error() -> None:
    measured = asked(Scripted([], closes=True))
    assert measured.requests == 0
    assert set(measured.errors) == {"broken"}


def test_a_close_that_races_with_a_request_is_no_error() -> None:
    server, measured = asked_often([LENGTH], serves=2)
    assert measured.errors == {}
    # Each third request met the close, and was sent again on the next connection.
    assert server.connections == -(-measured.requests // 2) > 1


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_whether_a_connection_can_be_used_again(head: bytes, reusable: bool) -> None:
    server, measured = asked_often([head + b"Content-Length: 0\r\n\r\n"])
    assert measured.errors == {}
    assert measured.requests > 1
    assert server.connections == (1 if reusable else measured.requests)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"220 smtp.example ESMTP\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 twohundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_response_is_an_error(nonsense: bytes) -> None:
    measured = asked(Scripted([nonsense]))
    assert measured.requests == 0
    assert set(measured.errors) == {"broken"}
