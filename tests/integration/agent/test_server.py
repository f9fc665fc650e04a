"""Which thread runs a request, and that everything is served alike in the main thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

import psutil
import pytest

from tests.integration.agent.serving import Serving, serving
from tests.support.polling import until
from zopestack.agent.meter import Meter

#: Bytes of a streamed answer: several times what waitress keeps of it (``serving``).
STREAMED = 400 << 20

#: Bytes at which an application waits for its reader (``serving``).
FULL = 1 << 26

Start = Callable[..., Any]


def get(path: str, version: str = "1.1") -> bytes:
    return f"GET /{path} HTTP/{version}\r\nHost: x\r\n\r\n".encode()


class Late:
    """A body that notes when it is closed."""

    def __init__(self, closed: list[str]) -> None:
        self.closed = closed

    def __iter__(self) -> Iterator[bytes]:
        yield b"late"

    def close(self) -> None:
        self.closed.append("closed")


class Application:
    """Pages of every kind that WSGI has."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.begun: list[str] = []
        self.closed: list[str] = []
        self.at_once = 0
        self.most = 0
        self.gone: Callable[[], bool] = lambda: False

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        name = environ["PATH_INFO"][1:]
        self.begun.append(name)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.gone = environ["waitress.client_disconnected"]
        try:
            return getattr(self, name)(environ, start_response)
        finally:
            self.at_once -= 1

    def thread(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        body = threading.current_thread().name.encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def hold(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        self.release.wait(60)
        return self.thread(environ, start_response)

    def echo(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def large(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(1 << 25))])
        return [bytes(1 << 25)]

    def streamed(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(STREAMED))])
        return (bytes(1 << 20) for _ in range(STREAMED >> 20))

    def late(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "4")])
        return Late(self.closed)

    def half(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "8")])
        yield b"half"
        raise RuntimeError("half-way")

    def write(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Length", "7")])
        write(b"written")
        return []

    def broken(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        raise RuntimeError("broken")

    def leave(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        raise SystemExit(3)


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application()
    yield made
    made.release.set()


@pytest.fixture
def one(application: Application) -> Iterator[Serving]:
    """An instance with one thread. Whatever a test did to it, nothing of it is left."""
    with serving(application) as books:
        until("the main loop to run requests", lambda: runs_in_main_loop(books))
        application.begun.clear()
        yield books
        application.release.set()
        until("nothing to be needed", books.threads.needed, lambda needed: needed == 0)
        until("the main loop to run requests again", lambda: runs_in_main_loop(books))
        assert application.most <= 1, "two requests at once"
        assert not books.threads.inside
        assert not books.arrivals._open


def runs_in_main_loop(books: Serving) -> bool:
    """Try it: a worker thread that has just begun, or ended a request, is not idle at once."""
    with books.connect(get("thread")) as connection:
        return body(connection).startswith(b"Thread-")


def everything(connection: socket.socket) -> bytes:
    """All that a server sends before it closes."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def body(connection: socket.socket) -> bytes:
    """The body of one response with a length."""
    with connection.makefile("rb") as answer:
        length = 0
        while line := answer.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split()[1])
        return answer.read(length)


@pytest.mark.parametrize(
    ("before", "main"),
    [
        pytest.param(b"", True, id="idle connection"),
        pytest.param(b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", False, id="upload"),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nf\r\na", False, id="chunks"
        ),
        pytest.param(b"GET /thre", False, id="half a request"),
        pytest.param(get("large"), False, id="download"),
    ],
)
def test_a_request_runs_in_the_main_thread_unless_bytes_move(
    one: Serving, before: bytes, main: bool
) -> None:
    with one.connect(before) as other:
        if before.startswith(b"GET /large"):
            assert other.recv(12) == b"HTTP/1.1 200"
        else:
            until(
                "it to be taken",
                one.threads.channels,
                lambda seen: [c for c in seen if not before or c.request],
            )
        with one.connect(get("thread")) as connection:
            assert body(connection).startswith(b"Thread-" if main else b"waitress-0")
    until("it to be gone", lambda: not one.threads.channels())


def test_two_threads_serve_as_ever(application: Application) -> None:
    with serving(application, threads=2) as two, two.connect(get("thread")) as connection:
        assert body(connection).startswith(b"waitress-")


def test_bytes_of_a_download_move_while_a_request_runs(
    one: Serving, application: Application
) -> None:
    with one.connect(get("large")) as download:
        assert download.recv(12) == b"HTTP/1.1 200"
        with one.connect(get("hold")) as held:
            until("it to run", lambda: "hold" in application.begun)
            rest = 0
            while rest < (1 << 24):
                rest += len(download.recv(1 << 16))
            application.release.set()
            assert body(held) == b"waitress-0"


def test_the_main_loop_leaves_a_request_to_a_thread_that_works(
    one: Serving, application: Application
) -> None:
    with one.connect(get("large")) as download:
        assert download.recv(12) == b"HTTP/1.1 200"
        held = one.connect(get("hold"))
        until("it to run", lambda: "hold" in application.begun)
    with held, one.connect(get("thread")) as next_one:
        until("both to be needed", one.threads.needed, lambda needed: needed == 2)
        until("it to be received", lambda: [c for c in one.threads.channels() if c.requests][1:])
        assert "thread" not in application.begun
        application.release.set()
        assert body(held) == b"waitress-0"
        assert body(next_one) == b"waitress-0"


def test_requests_in_a_row_are_answered_in_order_and_others_have_their_turn(one: Serving) -> None:
    with one.connect(get("thread") * 50 + get("late", "1.0")) as row:
        with one.connect(get("thread")) as other:
            assert body(other)
        answers = everything(row)
    assert answers.count(b"HTTP/1.1 200") == 50
    assert answers.endswith(b"late")


def test_what_waits_is_counted_although_nobody_reads_it(
    one: Serving, application: Application
) -> None:
    meter = Meter(application, one.threads)
    with one.connect() as known:
        until("it to be accepted", one.threads.channels)
        with one.connect(get("hold")) as held:
            until("it to run", lambda: "hold" in application.begun)
            known.sendall(get("thread"))
            with one.connect(get("thread")), one.connect(get("thread")):
                until("all to wait", meter.queue, lambda number: number == 3)
                assert meter.in_flight() == one.threads.needed() == 4
                application.release.set()
                assert body(held)
                assert body(known)


@pytest.mark.parametrize(
    ("path", "answer"),
    [("late", b"late"), ("write", b"written"), ("broken", b"500 Internal"), ("half", b"half")],
)
def test_an_application_of_any_kind(
    one: Serving, application: Application, path: str, answer: bytes, caplog: Any
) -> None:
    with one.connect(get(path, "1.0")) as connection:
        assert answer in everything(connection)
    assert application.closed == (["closed"] if path == "late" else [])
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == (path in ("broken", "half"))


def test_a_page_that_wants_to_exit_ends_its_connection_only(one: Serving, caplog: Any) -> None:
    with one.connect(get("leave")) as connection:
        assert everything(connection) == b""
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_an_answer_larger_than_memory(one: Serving) -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    most = seen = 0
    with one.connect(get("streamed", "1.0")) as connection:
        until(
            "it to be full", lambda: [c.total_outbufs_len for c in one.threads.channels()] > [FULL]
        )
        while data := connection.recv(1 << 20):
            seen += len(data)
            most = max(most, process.memory_info().rss)
    assert seen > STREAMED
    assert most - before < STREAMED / 2


def test_a_reader_who_leaves_a_large_answer(one: Serving) -> None:
    with one.connect(get("streamed")) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_a_client_that_leaves_is_noticed_in_its_request(
    one: Serving, application: Application
) -> None:
    with one.connect(get("hold")):
        until("it to run", lambda: application.begun)
        assert not application.gone()
    until("it to be noticed", application.gone)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /thread HT",
        b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nff\r\na",
    ],
)
def test_half_a_request_and_gone(one: Serving, application: Application, request_: bytes) -> None:
    with closing(one.connect(request_)):
        until("it to be taken", lambda: [c for c in one.threads.channels() if c.request])
    until("it to be gone", lambda: not one.threads.channels())
    assert application.begun == []


def test_an_exit_waits_for_the_request_that_the_main_loop_runs(
    one: Serving, application: Application
) -> None:
    with one.connect(get("hold")) as held:
        until("it to run", lambda: application.begun)
        assert one.threads.inline
        one.threads.exit()
        one.threads.leaving = False
        application.release.set()
        assert body(held)
    # The answer leaves before the main loop has left the request.
    until("the request to be over", lambda: not one.threads.inline)
    with pytest.raises(SystemExit):
        one.threads.exit()
    one.threads.leaving = False


def test_an_idle_connection_is_closed_by_haproxy_and_not_by_the_instance(one: Serving) -> None:
    """HAProxy might just be sending the next request."""
    marked = get("thread").replace(b"Host: x", b"Host: x\r\nZopestack-Sent: 1")
    with one.connect(marked) as haproxy, one.connect(get("thread")) as other:
        assert body(haproxy)
        assert body(other)
        (server,) = one.threads.servers
        server.adj.channel_timeout = 0
        server.next_channel_cleanup = 0
        assert other.recv(1) == b""
        haproxy.sendall(marked)
        assert body(haproxy)
        # It has stopped in the middle of a request: the timeout counts for it, too.
        haproxy.sendall(marked[:20])
        until("half of one to be there", lambda: [c for c in one.threads.channels() if c.request])
        server.next_channel_cleanup = 0
        assert haproxy.recv(1) == b""
