"""What a browser in a test says of its requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urljoin

import pytest

from tests.system.browser.chromium import Browser


class Handler(BaseHTTPRequestHandler):
    """An empty page, and one that is never answered."""

    def do_GET(self) -> None:
        if self.path == "/never":
            # Until the browser has gone.
            with suppress(OSError):
                self.rfile.read(1)
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("next_page", ["about:blank", "another"])
def test_nobody_waits_for_what_a_page_has_asked_that_is_left(address: str, next_page: str) -> None:
    with Browser() as browser:
        browser.open(f"{address}/page")
        browser.run("fetch('/never'), 0")
        browser.open(urljoin(address, next_page))
        told = {one.url.removeprefix(address): one.status for one in browser.traffic()}
        assert told.get("/page") == 200
        assert "/never" not in told
