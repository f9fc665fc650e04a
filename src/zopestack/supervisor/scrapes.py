"""Answers scrapes of the whole stack: ``metrics`` in supervisord."""

from __future__ import annotations

import errno
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from zopestack import stack_file
from zopestack.features.address import Address
from zopestack.supervisor.gather import PATH, PATIENCE, gathered


class Answer(BaseHTTPRequestHandler):
    """One scrape.

    :cvar file: the Stack's.
    """

    file: Path
    timeout = PATIENCE
    server_version = "zopestack"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the figures of the Stack as it is now."""
        if self.path != PATH:
            self.send_error(404, f"Not Found; use {PATH}")
            return
        try:
            text = gathered(stack_file.load(self.file))
        except OSError as why:
            self.log_error("%s", why)
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log no scrape."""


class Server(ThreadingHTTPServer):
    """Answers scrapes, also while another one waits."""

    daemon_threads = True

    def __init__(self, address: Address, file: Path) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        super().__init__((address.host, address.port), type("Answer", (Answer,), {"file": file}))

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
    try:
        server = Server(address, file)
    except OSError as why:
        if why.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
            raise
        sys.exit(
            f"metrics: cannot listen on {address}: {why.strerror}. Change metrics-address in "
            "[stack]."
        )
    server.serve_forever()


if __name__ == "__main__":
    main()
