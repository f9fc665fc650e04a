"""A real waitress with the agent's connections, for tests that speak to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from waitress.server import create_server

from zopestack.agent import server as own
from zopestack.agent.arrival import Arrivals
from zopestack.agent.threads import Threads

Start = Callable[..., Any]

Application = Callable[[dict[str, Any], Start], Iterable[bytes]]


@dataclass
class Serving:
    """One that serves."""

    threads: Threads
    arrivals: Arrivals
    port: int

    def connect(self, request: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.sendall(request)
        return connection


@contextmanager
def serving(application: Application, threads: int = 1, patience: float = 60) -> Iterator[Serving]:
    """Serve an application on a port of its own."""
    books = Serving(Threads(threads), Arrivals(patience), 0)
    own.install(books.threads, books.arrivals)
    server = create_server(
        application, host="127.0.0.1", port=0, threads=threads, outbuf_high_watermark=1 << 26
    )
    books.port = server.effective_port
    loop = threading.Thread(target=server.run, daemon=True)
    loop.start()
    try:
        yield books
    finally:
        # waitress's loop ends when it has nothing left to watch. Closed while the loop still
        # waits for them, the sockets would be an error in its thread.
        server.trigger.pull_trigger(server._map.clear)
        loop.join(60)
        server.close()
        own.uninstall()
