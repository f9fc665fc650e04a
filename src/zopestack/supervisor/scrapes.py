"""Answers for the whole stack, scrapes and people: ``metrics`` in supervisord."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from zopestack import stack_file
from zopestack.features.address import Address
from zopestack.supervisor.gather import PATH, gathered
from zopestack.supervisor.page.answers import PATHS, content
from zopestack.supervisor.page.visitor import Visitor
from zopestack.supervisor.page.watcher import Watcher
from zopestack.supervisor.questions import PATIENCE

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


class Answer(BaseHTTPRequestHandler):
    """One request: GET or HEAD.

    :cvar watcher: what the status page is made from.
    """

    watcher: Watcher
    timeout = PATIENCE
    server_version = "zopestack"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the figures, or a part of the status page, of the Stack as it is now."""
        if self.path not in (PATH, *PATHS):
            self._say(404, f"Not found. There are {PATH} for Prometheus and / for people.")
        elif self.path in PATHS and (refused := self._visitor().refused()):
            self._say(*refused)
        else:
            try:
                body, headers = self._found()
            except OSError as why:
                self.log_error("%s", why)
                self._say(503, str(why))
            else:
                self._send(200, body, headers)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        """Refuse: nothing can be changed here."""
        self.close_connection = True
        self._say(405, "Only GET and HEAD are answered.", {"Allow": "GET, HEAD"})

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = do_POST  # noqa: N815

    def _found(self) -> tuple[bytes, Mapping[str, str]]:
        if self.path == PATH:
            figures = gathered(stack_file.load(self.watcher.file))
            return figures, {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        found = content(self.path, self.watcher)
        return found.body, found.headers

    def _visitor(self) -> Visitor:
        asked = self.connection.getsockname()[0]
        return Visitor(self.client_address[0], asked, self.headers.get_all("Host", []))

    def _say(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, f"{text}\n".encode(), {**PLAIN, **(headers or {})})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log no request: there are many, and none changes anything."""


class Server(ThreadingHTTPServer):
    """Answers, also while another answer waits."""

    daemon_threads = True

    def __init__(self, address: Address, watcher: Watcher) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        kind = type("Answer", (Answer,), {"watcher": watcher})
        super().__init__((address.host, address.port), kind)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that close early."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    """Serve until a signal ends it; ``serve-metrics STACK_FILE``."""
    file = Path(sys.argv[1])
    try:
        address = stack_file.load(file).metrics.metrics_address
    except OSError as why:
        sys.exit(f"metrics: {why}")
    if not address:
        sys.exit(f"metrics: expected metrics-address in [stack], but {file} has none")
    watcher = Watcher(file, _say)
    try:
        server = Server(address, watcher)
    except OSError as why:
        if why.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
            raise
        sys.exit(
            f"metrics: cannot listen on {address}: {why.strerror}. Change metrics-address in "
            "[stack]."
        )
    watcher.start()
    server.serve_forever()


def _say(text: str) -> None:
    print(f"metrics: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
