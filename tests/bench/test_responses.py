"""Where a response ends, however it is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zopestack_bench.responses import Malformed, Response

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
)
CLOSE = b"HTTP/1.0 404 Not Found\r\n\r\nhello"
EMPTY = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"


@given(st.sampled_from([LENGTH, CHUNKED, EMPTY]), st.data())
def test_complete_exactly_at_the_last_byte(whole, data):
    cuts = sorted(data.draw(st.lists(st.integers(1, len(whole) - 1), unique=True)))
    response = Response()
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        assert not response.complete
        response.feed(whole[start:end])
    assert response.complete
    assert response.status in (200, 304)
    assert response.reusable


def test_without_a_length_the_end_is_the_close():
    response = Response()
    response.feed(CLOSE)
    assert not response.complete
    assert response.closed()
    assert response.status == 404
    assert not response.reusable


@pytest.mark.parametrize("cut", [LENGTH[:-1], CHUNKED[:-3], b"HTTP/1.1 200", b""])
def test_a_response_cut_short_is_not_complete(cut):
    response = Response()
    response.feed(cut)
    assert not response.closed()


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_whether_a_connection_can_be_used_again(head, reusable):
    response = Response()
    response.feed(head + b"Content-Length: 0\r\n\r\n")
    assert response.complete
    assert response.reusable is reusable


@pytest.mark.parametrize(
    "nonsense",
    [
        b"220 smtp.example ESMTP\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 twohundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_response_is_refused(nonsense):
    with pytest.raises(Malformed):
        Response().feed(nonsense)
