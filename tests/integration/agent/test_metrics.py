"""What is counted on the path of a request, with a real waitress; and who waits for the lock."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import transaction
from ZODB.ActivityMonitor import ActivityMonitor
from ZODB.DB import DB

from tests.integration.agent.serving import Serving, serving
from tests.support.polling import until
from zopestack.agent.meter import Meter
from zopestack.agent.metrics.databases import LOADS, STORES, Activity, Databases
from zopestack.agent.metrics.gil import GilWait
from zopestack.agent.threads import Threads


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """``/status/404`` answers 404, ``/raise`` raises, ``/odd`` has a status that is no number."""
    _, kind, *words = environ["PATH_INFO"].split("/")
    if kind == "raise":
        raise RuntimeError("raised on purpose")
    start_response({"odd": "odd"}.get(kind) or f"{words[0]} Said", [("Content-Length", "0")])
    return [b""]


@pytest.fixture(params=[1, 3], ids="{} threads".format)
def served(request: pytest.FixtureRequest) -> Iterator[Serving]:
    with serving(application, request.param) as running:
        yield running


def counted(served: Serving) -> dict[tuple[str, ...], int]:
    found = served.threads.answered.distributions()
    return {labels: int(each.buckets[-1][1]) for labels, each in found.items()}


def ask(served: Serving, method: str, path: str, *headers: str) -> None:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    with served.connect("\r\n".join(lines).encode()) as connection:
        while connection.recv(4096):
            pass


def settled(served: Serving, expected: dict[tuple[str, ...], int]) -> None:
    # A request is counted when its response has been given to the main loop.
    until("every request counted", lambda: counted(served), expected.__eq__)


def test_requests_are_counted_by_method_class_and_status(served: Serving) -> None:
    for method, path in (
        ("GET", "/status/200"),
        ("HEAD", "/status/200"),
        ("OPTIONS", "/status/404"),
        ("POST", "/status/302"),
        ("DELETE", "/status/200"),
        ("GET", "/raise"),
        ("GET", "/odd"),
    ):
        ask(served, method, path)
    settled(
        served,
        {
            ("safe", "200"): 2,
            ("safe", "404"): 1,
            ("safe", "500"): 1,
            ("safe", "other"): 1,
            ("unsafe", "302"): 1,
            ("unsafe", "200"): 1,
        },
    )


def test_what_waitress_refuses_is_counted(served: Serving) -> None:
    ask(served, "GET", "/status/200", "Content-Length: none")
    settled(served, {("safe", "400"): 1})


def test_pipelined_requests_have_their_own_statuses(served: Serving) -> None:
    requests = [f"GET /status/{200 + n} HTTP/1.1\r\nHost: x\r\n\r\n" for n in range(5, 9)]
    with served.connect("".join(requests).encode()):
        settled(served, {("safe", str(200 + n)): 1 for n in range(5, 9)})


def test_a_request_whose_client_has_gone_is_counted_without_status() -> None:
    inside, leave = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        inside.set()
        leave.wait(60)
        return application(environ, start_response)

    with serving(slow) as served:
        request = b"GET /status/200 HTTP/1.1\r\nHost: x\r\n\r\n"
        with served.connect(request):
            inside.wait(60)
            # The thread is busy, so this one is not begun before its client has gone.
            served.connect(request).close()
            until("it to arrive", served.threads.channels, lambda channels: channels)
            leave.set()
            settled(served, {("safe", "200"): 1, ("safe", "none"): 1})


def waited(served: Serving) -> tuple[int, float]:
    found = served.threads.waited.distributions().get(())
    return (int(found.buckets[-1][1]), found.total) if found else (0, 0.0)


def test_the_wait_is_that_since_haproxy_has_received_the_request(served: Serving) -> None:
    before = int((time.time() - 7) * 1000)
    ask(served, "GET", "/status/200", f"Zopestack-Sent: {before}")
    number, seconds = waited(served)
    assert (number, seconds >= 7) == (1, True)
    # It may have been uploaded for as long.
    ask(served, "POST", "/status/200", f"Zopestack-Sent: {before}")
    ask(served, "GET", "/status/200")
    assert waited(served) == (number, seconds)


@pytest.mark.parametrize("sent", ["", "soon", "-1", "\u00b2", "9" * 40, "9" * 5000])
def test_a_wait_that_cannot_be_is_none(served: Serving, sent: str) -> None:
    header = f"Zopestack-Sent: {sent}".encode()
    with served.connect(b"GET /status/200 HTTP/1.0\r\n" + header + b"\r\n\r\n") as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.0 200")
    assert waited(served)[1] == 0


class Busy:
    """Threads that count as running requests."""

    def __init__(self, number: int, work: Callable[[threading.Event], object]) -> None:
        self.meter = Meter(lambda environ, start: [], Threads(number))
        self.over = threading.Event()
        self.threads = [threading.Thread(target=work, args=(self.over,)) for _ in range(number)]
        for thread in self.threads:
            thread.start()
            self.meter.running[thread.ident or 0] = (0.0, {})

    def stop(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()


def compute(over: threading.Event) -> None:
    while not over.is_set():
        sum(range(1000))


def look(number: int, work: Callable[[threading.Event], object], looks: int = 20) -> list[int]:
    """How many threads were seen waiting for the lock, look by look."""
    busy = Busy(number, work)
    try:
        watch = GilWait(busy.meter)
        seen = []
        for _ in range(looks):
            # As the thread that looks does, wake up, and take the lock from whoever has it.
            time.sleep(0.001)
            seen.append(watch.waiting())
        return seen
    finally:
        busy.stop()


def test_threads_that_compute_wait_for_each_other() -> None:
    def seen() -> float:
        found = look(4, compute)
        assert max(found) <= 3, found
        return sum(found) / len(found)

    # On a machine that is short of cores, some have been woken and wait for a core.
    until("most of them to wait for the lock", seen, lambda mean: mean > 1)


def test_a_thread_that_computes_alone_waits_for_nobody() -> None:
    assert set(look(1, compute)) == {0}
    numbers = iter(range(3))

    def one_computes(over: threading.Event) -> None:
        compute(over) if next(numbers) == 0 else over.wait(60)

    assert set(look(3, one_computes)) == {0}


def test_threads_that_wait_for_something_else_do_not_wait_for_the_lock() -> None:
    assert set(look(4, lambda over: over.wait(60))) == {0}
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def read(over: threading.Event) -> None:
            ours.recv(1)

        busy = Busy(3, read)
        assert GilWait(busy.meter).waiting() == 0
        theirs.sendall(b"xxx")
        busy.stop()


def connect(database: DB, number: int) -> None:
    connection = database.open()
    connection.root()["number"] = number
    transaction.commit()
    connection.close()


@pytest.mark.parametrize("before", [None, ActivityMonitor()])
def test_an_activity_monitor_that_was_there_before_is_told_the_same(before: Any) -> None:
    database = DB(None, database_name="some")
    # With what was done to make the database.
    connect(database, 0)
    databases = Databases()
    database.setActivityMonitor(Activity(databases, before))
    connect(database, 1)
    stores = databases.counts[STORES]["some",]
    for number in range(2, 5):
        connect(database, number)
    assert databases.counts[STORES]["some",] == stores + 3
    if before:
        told = database.getActivityMonitor().getActivityAnalysis(divisions=1)[0]
        assert told["connections"] == 4
        assert told["stores"] == stores + 3
        assert told["loads"] == databases.counts[LOADS]["some",]
    database.close()
