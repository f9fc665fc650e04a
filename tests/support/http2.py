"""An HTTP/2 client that says whatever it is told to."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, ResponseReceived, StreamReset
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, HeadersFrame

Headers = Sequence[tuple[str, str]]

#: Bytes that fit into one frame (RFC 9113, 4.2).
FRAME = 16384


class Connection:
    """One connection on a socket, closed with it."""

    def __init__(self, connected: socket.socket, window: int | None = None) -> None:
        """:param window: bytes of a stream that the other side may send before it is asked for
        more."""
        self.socket = connected
        self.h2 = H2Connection(
            H2Configuration(
                header_encoding="latin-1",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        if window is not None:
            self.h2.local_settings.initial_window_size = window
        self.h2.initiate_connection()
        self.outcomes: dict[int, int | None] = {}
        self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, headers: Headers, body: bytes | None = None, trailers: Headers = ()) -> int:
        """Send a request on a stream of its own; its number."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=body is None)
        for start in range(0, len(body), FRAME) if body else ():
            self.h2.send_data(stream, body[start : start + FRAME])
        if body is not None and not trailers:
            self.h2.end_stream(stream)
        if trailers:
            self.h2.send_headers(stream, trailers, end_stream=True)
        self._flush()
        return stream

    def open(self, headers: Headers, body: bytes = b"") -> int:
        """Begin a request on a stream of its own and leave it open; its number."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers)
        for start in range(0, len(body), FRAME):
            self.h2.send_data(stream, body[start : start + FRAME])
        self._flush()
        return stream

    def take_back(self, stream: int) -> None:
        """Reset a stream."""
        self.h2.reset_stream(stream, ErrorCodes.CANCEL)
        self._flush()

    def continue_for_ever(self) -> None:
        """Headers that never end, until the other side has had enough."""
        opening = HeadersFrame(1, Encoder().encode([(":method", "GET"), (":path", "/")]))
        more = ContinuationFrame(1, Encoder().encode([("x", "a" * 1000)], huffman=False))
        try:
            self.socket.sendall(opening.serialize())
            while True:
                self.socket.sendall(more.serialize())
        except OSError:
            pass

    def outcome(self, stream: int) -> int | None:
        """The status of a stream's answer; None where the other side ended it without one.

        Whether by RST_STREAM, by GOAWAY or by closing the connection: which of them comes
        first depends on what of the request HAProxy has read by then.
        """
        while stream not in self.outcomes:
            try:
                received = self.socket.recv(65536)
                if not received:
                    return None
                self._receive(received, stream)
                self._flush()
            except OSError:
                return None
        return self.outcomes[stream]

    def _receive(self, received: bytes, stream: int) -> None:
        for event in self.h2.receive_data(received):
            if isinstance(event, ResponseReceived):
                self.outcomes[event.stream_id] = int(dict(event.headers)[":status"])
            elif isinstance(event, StreamReset):
                self.outcomes.setdefault(event.stream_id, None)
            elif isinstance(event, ConnectionTerminated):
                self.outcomes.setdefault(stream, None)

    def _flush(self) -> None:
        if waiting := self.h2.data_to_send():
            self.socket.sendall(waiting)
