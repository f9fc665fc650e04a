"""What was stuck at another instance is not tried again; tests/integration/test_guard.py has the
whole, with HAProxy and a guard."""

from __future__ import annotations

import time

import pytest

from zopestack.agent.once import SENT, Once
from zopestack.agent.refusal import MARK

LIMIT = 60


def status(sent: str, method: str = "GET") -> str:
    said: list[str] = []

    def start(status: str, headers: list[tuple[str, str]]) -> None:
        said.append(status + (" marked" if (MARK, "1") in headers else ""))

    once = Once(lambda environ, start: [start("200 OK", [])], LIMIT)
    once({SENT: sent, "REQUEST_METHOD": method}, start)
    return said[0]


def ago(seconds: float) -> str:
    return str(round((time.time() - seconds) * 1000))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_comes_again_late_is_answered(method: str) -> None:
    assert status(ago(LIMIT + 1), method) == "504 Gateway Timeout marked"


@pytest.mark.parametrize(
    ("seconds", "method"),
    # An upload takes as long as it takes, and is never sent again.
    [(0, "GET"), (-LIMIT, "GET"), (2 * LIMIT, "POST")],
)
def test_everything_else_is_passed_on(seconds: float, method: str) -> None:
    assert status(ago(seconds), method) == "200 OK"


@pytest.mark.parametrize("forged", ["", "now", "-1", "1e3", "\u00b2", "9" * 5000, "1, 1"])
def test_what_is_no_time_is_passed_on(forged: str) -> None:
    assert status(forged) == "200 OK"
