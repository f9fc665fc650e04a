from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from waitress.server import create_server

from zopestack.agent import server as own
from zopestack.agent.arrival import Arrivals
from zopestack.agent.hang import HangWatch
from zopestack.agent.meter import Environ, Meter
from zopestack.agent.stacks import tracebacks
from zopestack.agent.threads import Threads


class Gate:
    """An application whose requests stay inside until the gate opens."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.inside.release()
        self.open.wait(30)
        if environ["PATH_INFO"] == "/broken":
            raise RuntimeError("broken on purpose")
        return [b""]


def request(path: str) -> Environ:
    return {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "secret=1"}


def test_running_requests_are_known_and_forgotten() -> None:
    gate = Gate()
    meter = Meter(gate, Threads(3))
    threads = [threading.Thread(target=meter, args=(request("/x"), None)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in threads:
        gate.inside.acquire(timeout=30)
    assert len(meter.busy()) == 3
    seconds = meter.busy()
    assert seconds == sorted(seconds, reverse=True)
    assert all(text.startswith("GET /x (") for text in meter.described())
    assert HangWatch(meter, threads=3, hung_after=-1).hung()
    assert not HangWatch(meter, threads=4, hung_after=-1).hung(), "a thread is free"
    assert not HangWatch(meter, threads=3, hung_after=60).hung(), "busy is not hung"
    told = tracebacks(meter)
    assert told.count(", GET /x (") == 3
    assert "self.open.wait(30)" in told
    assert "secret" not in told
    gate.open.set()
    for thread in threads:
        thread.join()
    assert (meter.busy(), meter.requests) == ([], 3)


def test_a_request_that_fails_is_over_too() -> None:
    gate = Gate()
    gate.open.set()
    meter = Meter(gate, Threads(3))
    with pytest.raises(RuntimeError):
        meter(request("/broken"), lambda *_: None)
    assert (meter.busy(), meter.requests) == ([], 1)


def test_it_finds_the_books_of_a_real_waitress() -> None:
    """The agent relies on what waitress calls its parts; a release that renames them fails here."""
    server = create_server(lambda environ, start: [], host="127.0.0.1", port=0)
    try:
        assert len(server.task_dispatcher.queue) == 0
        assert list(server.active_channels.values()) == []
        for name in ("request", "total_outbufs_len", "check_client_disconnected"):
            assert hasattr(server.channel_class, name)
    finally:
        server.close()


def test_a_small_answer_leaves_in_one_piece(request: pytest.FixtureRequest) -> None:
    def page(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"whole"]

    request.addfinalizer(own.uninstall)
    threads = Threads(1)
    own.install(threads, Arrivals(10))
    server = create_server(Meter(page, threads), host="127.0.0.1", port=0, threads=1)
    threading.Thread(target=server.run, daemon=True).start()
    with socket.create_connection(("127.0.0.1", server.effective_port)) as client:
        for _ in range(50):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(65536).endswith(b"whole")
    server.close()
