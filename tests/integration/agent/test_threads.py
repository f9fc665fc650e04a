"""What of its threads an instance needs, whatever its connections are doing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.agent.serving import Serving, serving
from tests.support.polling import until
from zopestack.agent.threads import QUESTIONS

PAGE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HOLD = b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"


class Application:
    """Pages that are small, large, or made when they are let go."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.begun: list[str] = []

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.begun.append(path)
        if path == "/hold":
            self.release.wait(60)
        body = bytes(1 << 25) if path == "/large" else b"page"
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application()
    yield made
    made.release.set()


@pytest.fixture
def two(application: Application) -> Iterator[Serving]:
    with serving(application, threads=2) as books:
        yield books


def needed(books: Serving, number: int) -> None:
    until(f"{number} to be needed", books.threads.needed, lambda now: now == number)


def test_only_requests_that_a_thread_works_on_or_that_wait_for_one(
    two: Serving, application: Application
) -> None:
    with two.connect(HOLD), two.connect(HOLD):
        needed(two, 2)
        with two.connect(HOLD):
            needed(two, 3)
            application.release.set()
            needed(two, 0)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"", id="a connection alone"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n", id="no body yet"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", id="some of a body"),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\na", id="a chunk"
        ),
        pytest.param(LARGE, id="an answer that nobody reads"),
        pytest.param(PAGE, id="a page"),
    ],
)
def test_what_needs_no_thread(two: Serving, request_: bytes) -> None:
    with two.connect(request_) as connection:
        until("it to be taken", two.threads.channels)
        if request_ in (LARGE, PAGE):
            assert connection.recv(12) == b"HTTP/1.1 200"
        needed(two, 0)
        assert two.threads.answer(QUESTIONS["next"])[0] == 0


def test_whoever_asks_hears_as_soon_as_a_thread_is_idle(
    two: Serving, application: Application
) -> None:
    with two.connect(HOLD), two.connect(HOLD):
        needed(two, 2)
        assert two.threads.answer(QUESTIONS["still"]) == (2, 2)
        assert two.threads.answer(QUESTIONS["next"]) == (2, 2), "an answer in any case"
        patient = replace(QUESTIONS["next"], longest=60)
        answers: list[tuple[int, int]] = []
        asking = threading.Thread(target=lambda: answers.append(two.threads.answer(patient)))
        asking.start()
        application.release.set()
        asking.join()
        # One of the two threads may still be at work.
        assert answers[0][0] < 2


@pytest.mark.parametrize("sent", [0, 1])
def test_a_thread_counts_as_idle_once_all_that_was_sent_has_begun(
    application: Application, sent: int
) -> None:
    """However long it would else be looked at."""
    never = replace(QUESTIONS["next"], settled=3600, longest=3600)
    answers: list[tuple[tuple[int, int], list[str]]] = []

    def ask() -> None:
        answers.append((one.threads.answer(never, sent), application.begun[:]))

    with serving(application) as one:
        threading.Thread(target=ask, daemon=True).start()
        until("the question", lambda: one.threads.watchers or answers)
        with one.connect(PAGE * sent):
            until("an answer", lambda: answers)
    assert answers == [((0, 0), ["/"] * sent)]


def test_between_two_requests_a_thread_is_not_idle(two: Serving) -> None:
    """One that turns all the time counts, whenever somebody looks."""
    end = threading.Event()

    def turn() -> None:
        with two.connect() as connection:
            while not end.is_set():
                connection.sendall(PAGE)
                while not connection.recv(65536).endswith(b"page"):
                    pass

    turning = threading.Thread(target=turn)
    turning.start()
    try:
        until("it to turn", two.threads.channels)
        # Two, where the next request is begun before the thread of the last one is done.
        assert {two.threads.answer(QUESTIONS["steady"])[0] for _ in range(5)} <= {1, 2}
    finally:
        end.set()
        turning.join()


def test_nothing_is_done_for_a_client_that_is_gone(application: Application) -> None:
    with serving(application) as one:
        with one.connect(HOLD):
            until("it to run", lambda: application.begun)
            one.connect(PAGE).close()
            needed(one, 2)
            application.release.set()
        needed(one, 0)
        with one.connect(b"GET /last HTTP/1.0\r\n\r\n") as connection:
            connection.recv(12)
        assert application.begun == ["/hold", "/last"]


def test_an_expectation_without_a_body_is_answered(two: Serving) -> None:
    """waitress 3.0.2 says 100 and waits for ever."""
    for length in (b"", b"Content-Length: 0\r\n"):
        with two.connect(b"GET / HTTP/1.1\r\nExpect: 100-continue\r\n" + length + b"\r\n") as one:
            assert one.recv(12) == b"HTTP/1.1 200"


def test_an_expectation_with_a_body_is_told_to_go_on(two: Serving) -> None:
    request = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    with two.connect(request) as one:
        assert one.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.sendall(b"abc")
        assert one.recv(12) == b"HTTP/1.1 200"


def test_a_body_that_does_not_come_is_waited_for_no_longer(application: Application) -> None:
    with serving(application, patience=1) as one:
        began = time.monotonic()
        with one.connect(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc") as connection:
            assert connection.recv(12) == b"HTTP/1.1 408"
        assert time.monotonic() - began > 1
        assert application.begun == []
        needed(one, 0)


def test_a_body_that_comes_slowly_but_comes_is_waited_for(application: Application) -> None:
    """A second for its beginning, and a second for every 500 bytes."""
    request = b"POST / HTTP/1.1\r\nContent-Length: 4000\r\n\r\n"
    with serving(application, patience=1) as one, one.connect(request) as connection:
        connection.sendall(bytes(3000))
        pause = threading.Event()
        for _ in range(10):
            pause.wait(0.2)
            connection.sendall(bytes(100))
        assert connection.recv(12) == b"HTTP/1.1 200"


def upload(books: Serving, number: int, size: int, client: str = "192.0.2.1", limit: int = 1000):
    return books.connect(
        b"POST / HTTP/1.1\r\nZopestack-Uploads: %d %d %s\r\nContent-Length: %d\r\n\r\na"
        % (number, limit, client.encode(), size)
    )


def test_one_client_has_one_body_of_any_size_and_others_up_to_a_limit(two: Serving) -> None:
    with upload(two, 1, 1_000_000), upload(two, 2, 600), upload(two, 3, 400):
        with upload(two, 4, 2) as over:
            assert over.recv(12) == b"HTTP/1.1 429"
        with upload(two, 2, 1000, client="192.0.2.2"), upload(two, 3, 2, "192.0.2.2") as other:
            assert other.recv(12) == b"HTTP/1.1 429"
    until("all to be gone", lambda: not two.threads.channels())
    with upload(two, 2, 1000) as again:
        again.sendall(bytes(999))
        assert again.recv(12) == b"HTTP/1.1 200"


def test_chunks_count_as_they_come(two: Serving) -> None:
    request = (
        b"POST / HTTP/1.1\r\nZopestack-Uploads: 2 1000 192.0.2.1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    with two.connect(request + b"ffff\r\n" + bytes(900)) as connection:
        until("it to arrive", lambda: [c.arrival for c in two.threads.channels()] != [None])
        connection.sendall(bytes(200))
        assert connection.recv(12) == b"HTTP/1.1 429"
