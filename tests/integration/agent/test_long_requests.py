"""Requests that take long are logged: while they run, again, and when they end."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.integration.agent.serving import Serving, serving
from tests.support.polling import until
from zopestack.agent import long_requests
from zopestack.agent.log_lines import keep_lines_whole
from zopestack.agent.long_requests import LongRequests
from zopestack.agent.meter import USER, Environ, Meter
from zopestack.agent.threads import Threads

AFTER = 0.2

REQUEST = (
    b"GET %s?password=secret HTTP/1.1\r\nHost: x\r\nX-Request-ID: 551c253f\r\n"
    b"Connection: close\r\n\r\n"
)


class Pages:
    """``/slow`` waits until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ[USER] = "jane"
        if environ["PATH_INFO"].startswith("/slow"):
            self.go_on.wait(60)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]


@pytest.fixture
def pages() -> Iterator[Pages]:
    pages = Pages()
    yield pages
    pages.go_on.set()


@pytest.fixture
def served(
    pages: Pages, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Serving]:
    monkeypatch.setattr(long_requests, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(long_requests, "CLOSELY", 0.01)
    factory = logging.getLogRecordFactory()
    keep_lines_whole()
    caplog.set_level(logging.WARNING, "zopestack.agent")
    meter = Meter(pages, Threads(2))
    LongRequests(meter, AFTER).start()
    with serving(meter, threads=2) as books:
        yield books
    logging.setLogRecordFactory(factory)


def ages(said: list[str], start: str) -> list[float]:
    """The seconds in the messages that begin so."""
    found = [re.search(r"\(([0-9.]+) s", text) for text in said if text.startswith(start)]
    return [float(each[1]) for each in found if each]


def test_a_long_request_is_logged_again_and_again_until_it_ends(
    served: Serving, pages: Pages, caplog: pytest.LogCaptureFixture
) -> None:
    with served.connect(REQUEST % b"/slow/%C3%BC%0AERROR") as client:
        until("a second time", lambda: len(ages(caplog.messages, "long request: ")) == 3)
        pages.go_on.set()
        client.makefile("rb").read()
    until("its end", lambda: ages(caplog.messages, "long request has ended: "))
    first, second, third = ages(caplog.messages, "long request: ")
    # Each is shown to a tenth of a second.
    assert first >= AFTER - 0.05
    assert second >= 2 * AFTER - 0.05
    assert third >= 4 * AFTER - 0.05
    assert ages(caplog.messages, "long request has ended: ")[0] >= third
    # Others warn, too, such as waitress of its queue on a busy machine.
    told = next(text for text in caplog.messages if text.startswith("long request: "))
    said, stack = told.split("\n", 1)
    assert said.startswith("long request: GET /slow/ü\\nERROR by jane (")
    assert said.endswith(" s, id 551c253f)")
    assert "self.go_on.wait(60)" in stack
    assert all(line.startswith(" ") for line in stack.splitlines())
    assert "secret" not in caplog.text


def test_a_short_request_is_not(
    served: Serving, pages: Pages, caplog: pytest.LogCaptureFixture
) -> None:
    with served.connect(REQUEST % b"/slow") as slow:
        until("a long one", lambda: ages(caplog.messages, "long request: "))
        for _ in range(5):
            with served.connect(REQUEST % b"/short") as client:
                client.makefile("rb").read()
        pages.go_on.set()
        slow.makefile("rb").read()
    until("its end", lambda: ages(caplog.messages, "long request has ended: "))
    assert "/short" not in caplog.text
