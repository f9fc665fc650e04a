"""Where an HTTP/1.1 response ends: all that a load generator must know of one (RFC 9112).

The standard library's client blocks, and h11 costs more than the requests measured.
"""

from __future__ import annotations

#: Bytes a header section may have before the server is taken for something else.
MAX_HEAD = 65536


class Malformed(Exception):
    """What came is no HTTP response."""


class Response:
    """Reads one response to a GET from pieces of any size.

    :ivar status: the status code, once the head is there.
    :ivar complete: whether the last byte has come.
    :ivar reusable: whether the connection may carry another request.
    """

    def __init__(self) -> None:
        self.status = 0
        self.complete = False
        self.reusable = True
        self._buffer = bytearray()
        self._remaining: int | None = None
        self._chunked = False
        self._in_body = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        :raises Malformed: where they are no response.
        """
        if self._in_body and not self._chunked:
            self._count(len(data))
            return
        self._buffer += data
        if not self._in_body:
            self._head()
        if self._in_body and self._chunked and not self.complete:
            self._chunks()

    def closed(self) -> bool:
        """The server has closed the connection; whether the response was whole."""
        self.reusable = False
        if self._in_body and not self._chunked and self._remaining is None:
            self.complete = True
        return self.complete

    def _head(self) -> None:
        head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not end:
            if len(head) > MAX_HEAD or not b"HTTP/1.".startswith(head[:7]):
                raise Malformed(head[:40])
            return
        first, *lines = head.split(b"\r\n")
        try:
            version, code, *_ = first.split(b" ", 2)
            self.status = int(code)
        except ValueError:
            raise Malformed(first) from None
        if not version.startswith(b"HTTP/1."):
            raise Malformed(first)
        self._headers(version, lines)
        self._in_body = True
        self._buffer.clear()
        if self.status in (204, 304):
            self._remaining, self._chunked = 0, False
        if self._chunked:
            self._buffer += rest
        else:
            self._count(len(rest))

    def _headers(self, version: bytes, lines: list[bytes]) -> None:
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip().lower()
        connection = headers.get(b"connection", b"")
        self.reusable = connection != b"close" and (
            version != b"HTTP/1.0" or connection == b"keep-alive"
        )
        self._chunked = headers.get(b"transfer-encoding") == b"chunked"
        if b"content-length" in headers:
            self._remaining = int(headers[b"content-length"])

    def _count(self, received: int) -> None:
        if self._remaining is not None:
            self._remaining -= received
            self.complete = self._remaining <= 0

    def _chunks(self) -> None:
        while True:
            size, end, _ = bytes(self._buffer[:20]).partition(b"\r\n")
            if not end:
                return
            try:
                length = int(size.partition(b";")[0], 16)
            except ValueError:
                raise Malformed(size) from None
            whole = len(size) + 2 + length + 2
            if len(self._buffer) < whole:
                return
            del self._buffer[:whole]
            if length == 0:
                self.complete = True
                return
