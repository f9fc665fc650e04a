"""A request that takes too long is interrupted in its own thread, and nowhere else."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import transaction
from transaction._transaction import Transaction
from ZODB import DB

from tests.integration.agent.serving import serving
from tests.support.polling import PATIENCE
from zopestack.agent import interrupt
from zopestack.agent.interrupt import Interrupted, Interrupts

TIMEOUT = 0.2


def spin(until: Callable[[], object] = lambda: False) -> None:
    """Work on, in Python; an interruption ends it."""
    deadline = time.monotonic() + PATIENCE
    while not until() and time.monotonic() < deadline:
        time.sleep(0.001)


@contextmanager
def pages(
    monkeypatch: pytest.MonkeyPatch, timeout: float = TIMEOUT, **known: Callable[[], object]
) -> Iterator[Callable[[str], tuple[int, str]]]:
    """Pages by their path, on one real thread of waitress; fetches one. With ``?early`` the
    response begins before the page is made.
    """
    monkeypatch.setattr(interrupt, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(Transaction, "_commitResources", Transaction._commitResources)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["QUERY_STRING"] == "early":
            start_response("200 OK", [("Content-Type", "text/early")])
        body = str(known[environ["PATH_INFO"][1:]]()).encode()
        if environ["QUERY_STRING"] != "early":
            start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    interrupts = Interrupts(application, timeout)
    interrupts.start()
    with serving(interrupts) as books:

        def fetch(path: str) -> tuple[int, str]:
            connection = http.client.HTTPConnection("127.0.0.1", books.port, timeout=PATIENCE)
            connection.request("GET", f"/{path}")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

        yield fetch


def stubborn() -> None:
    with suppress(Exception):
        spin()


def test_a_late_request_gets_504_and_no_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    # One of an earlier test may end meanwhile.
    others = set(threading.enumerate())
    with pages(monkeypatch, spin=spin, stubborn=stubborn, thread=threading.get_ident) as fetch:
        own = set(threading.enumerate()) - others
        # The main loop's, or the worker thread's where that loop still has something to send.
        served = {(200, str(each.ident)) for each in own}
        assert fetch("thread") in served
        for late in ("spin", "stubborn", "spin?early"):
            assert fetch(late)[0] == 504
            assert fetch("thread") in served
        assert own <= set(threading.enumerate())


def test_who_carries_on_is_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "CLEAN_UP", TIMEOUT)

    def deaf() -> None:
        try:
            spin()
        except Interrupted:
            spin()

    with pages(monkeypatch, deaf=deaf) as fetch:
        assert fetch("deaf")[0] == 504


class Slow:
    """A resource of a transaction that takes its time to finish."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def tpc_vote(self, transaction: object) -> None:
        began = time.monotonic()
        spin(lambda: time.monotonic() - began > 2 * TIMEOUT)
        self.done.append("voted")

    def tpc_finish(self, transaction: object) -> None:
        self.done.append("finished")

    def tpc_begin(self, transaction: object) -> None:
        pass

    commit = tpc_abort = abort = tpc_begin

    def sortKey(self) -> str:  # noqa: N802
        return ""


def test_a_commit_is_never_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = Slow()

    def save() -> str:
        transaction.begin().join(resource)
        transaction.commit()
        # What follows a commit is not late.
        began = time.monotonic()
        spin(lambda: time.monotonic() - began > TIMEOUT / 2)
        return "saved"

    with pages(monkeypatch, save=save) as fetch:
        assert fetch("save") == (200, "saved")
    assert resource.done == ["voted", "finished"]


def test_what_is_late_already_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    database = DB(None)

    def save() -> None:
        connection = database.open()
        try:
            connection.root()["saved"] = True
            try:
                spin()
            except:  # noqa: E722
                transaction.commit()
        finally:
            transaction.abort()
            connection.close()

    with pages(monkeypatch, save=save) as fetch:
        assert fetch("save")[0] == 504
    with database.transaction() as connection:
        assert "saved" not in connection.root()
    database.close()


def test_nothing_but_the_request_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Many requests end in the moment in which they are interrupted."""
    timeout = 0.02

    def short() -> None:
        began = time.monotonic()
        while time.monotonic() - began < timeout:
            pass

    with pages(monkeypatch, timeout, short=short) as fetch:
        monkeypatch.setattr(interrupt, "POLL_INTERVAL", 0.0005)
        seen = {fetch("short")[0] for _ in range(100)}
    assert seen <= {200, 504}
    assert "Exception" not in caplog.text
