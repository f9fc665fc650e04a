"""What stands in Volto's place: a server that says what it was asked for."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Answer(http.server.BaseHTTPRequestHandler):
    """Says what it was asked for, and by which host."""

    def do_GET(self) -> None:
        """Answer, also a health check."""
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        text = f"volto {self.headers.get('Host')} {self.path}".encode()
        self.send_response(200 if self.server.well else 500)  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Volto(http.server.ThreadingHTTPServer):
    """In its place.

    :ivar well: whether its health checks succeed.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.well = True
        self.asked: list[str] = []


@contextmanager
def running() -> Iterator[Volto]:
    """One that serves in the block."""
    with Volto() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
