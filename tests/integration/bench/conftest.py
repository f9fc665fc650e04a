"""Small real servers of known behaviour, which count for themselves."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from zopestack.features.address import Address
from zopestack_bench import rounds
from zopestack_bench.layouts import Layout
from zopestack_bench.target import Target


class KnownServer(ThreadingHTTPServer):
    """Answers as told and counts what it has been asked, by whom, and what it has answered.

    :param delay: seconds before an answer.
    :param fails_every: every so-many-th request gets a 503.
    :param stalls_at: this request waits until the test says so.
    :param pauses_every: every so-many-th request takes ``pause`` seconds.
    :param workers: requests it works on at once.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        delay: float = 0,
        fails_every: int = 0,
        stalls_at: int = 0,
        pauses_every: int = 0,
        pause: float = 0,
        workers: int = 64,
    ) -> None:
        self.delay, self.fails_every, self.stalls_at = delay, fails_every, stalls_at
        self.pauses_every, self.pause = pauses_every, pause
        self.workers = threading.Semaphore(workers)
        self.lock = threading.Lock()
        self.go_on = threading.Event()
        self.asked_at: list[float] = []
        self.visitors: set[tuple[str, str, str]] = set()
        self.asked = self.answered = self.failed = self.paused = self.connections = 0
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is what some tests are about."""

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.server_address[1])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: KnownServer
    chunked = False

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_GET(self) -> None:
        known = self.server
        with known.lock:
            known.asked += 1
            known.asked_at.append(time.perf_counter())
            cookie = self.headers.get("Cookie", "")
            known.visitors.add((self.client_address[0], self.path, cookie))
            number = known.asked
        with known.workers:
            if number == known.stalls_at:
                known.go_on.wait(30)
            elif known.pauses_every and number % known.pauses_every == 0:
                threading.Event().wait(known.pause)
                known.paused += 1
            else:
                threading.Event().wait(known.delay)
        failing = bool(known.fails_every) and number % known.fails_every == 0
        self.send_response(503 if failing else 200)
        body = b"x" * 1000
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3e8\r\n" + body + b"\r\n0\r\n\r\n")
        elif self.path in ("/close", "/until-close"):
            self.send_header("Connection", "close")
            if self.path == "/close":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        with known.lock:
            known.answered += not failing
            known.failed += failing

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def running(server: KnownServer) -> Iterator[KnownServer]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., KnownServer]]:
    """Start a server that behaves as told; it is stopped after the test."""
    with ExitStack() as stack:
        yield lambda **known: stack.enter_context(running(KnownServer(**known)))


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., rounds.Track]:
    """Make a track of layouts that are such servers, by name; its other arguments by name."""

    def track(servers: Mapping[str, KnownServer], **others: Any) -> rounds.Track:
        @contextmanager
        def started(farm: None, layout: Layout) -> Iterator[Target]:
            yield Target(servers[layout.name].address, {"zope": (os.getpid(),)})

        monkeypatch.setattr(rounds, "running", started)
        found = {name: Layout(name, "", 1, 1) for name in servers}
        return rounds.Track(None, found, **{"say": print, **others})  # type: ignore[arg-type]

    return track
