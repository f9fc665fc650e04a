from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from zopestack.agent.meter import Meter
from zopestack.agent.request_id import name_requests
from zopestack.agent.threads import Threads

NUMBER = "551c253f-8aac-4b83-8f81-273ed37e2f90"

logger = logging.getLogger("Zope.test")


@pytest.fixture
def meter() -> Iterator[Meter]:
    """Logs a line for each request."""

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        logger.warning("%s is wrong", "something")
        if environ.get("fail"):
            raise RuntimeError("broken on purpose")
        return []

    before = logging.getLogRecordFactory()
    meter = Meter(application, Threads(1))
    name_requests(meter)
    yield meter
    logging.setLogRecordFactory(before)


def ask(meter: Meter, **environ: str) -> None:
    meter({"REQUEST_METHOD": "GET", **environ}, lambda status, headers: None)


def thread(caplog: pytest.LogCaptureFixture) -> str:
    """What the last record says of its thread; its message is as it was logged."""
    assert caplog.records[-1].getMessage() == "something is wrong"
    return caplog.records[-1].threadName or ""


def test_a_line_logged_in_a_request_names_it(
    meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    ask(meter, HTTP_X_REQUEST_ID=NUMBER)
    assert thread(caplog) == f"MainThread id={NUMBER}"


def test_other_lines_name_none(meter: Meter, caplog: pytest.LogCaptureFixture) -> None:
    ask(meter, HTTP_X_REQUEST_ID=NUMBER)
    logger.warning("something is wrong")
    assert thread(caplog) == "MainThread"
    ask(meter)
    assert thread(caplog) == "MainThread"


def test_the_error_that_waitress_logs_afterwards_names_it_and_the_next_line_does_not(
    meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RuntimeError):
        ask(meter, HTTP_X_REQUEST_ID=NUMBER, fail="yes")
    logger.error("something is wrong")
    assert thread(caplog) == f"MainThread id={NUMBER}"
    ask(meter)
    logger.warning("something is wrong")
    assert thread(caplog) == "MainThread"


@pytest.mark.parametrize("number", ["a\nb", "[x]", "", "a" * 65, "1 2"])
def test_what_is_no_number_of_haproxys_is_not_logged(
    meter: Meter, caplog: pytest.LogCaptureFixture, number: str
) -> None:
    ask(meter, HTTP_X_REQUEST_ID=number)
    assert thread(caplog) == "MainThread"
