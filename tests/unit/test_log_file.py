"""A log as JSON: one object a line, whatever gets into a message."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zopestack.agent.log_lines import keep_lines_whole
from zopestack.agent.meter import Meter
from zopestack.agent.request_id import name_requests
from zopestack.agent.threads import Threads
from zopestack.haproxy import access_line
from zopestack.log_file import JsonLogFile

NUMBER = "551c253f-8aac-4b83-8f81-273ed37e2f90"

#: Any text, and what JSON does not take as it is.
TEXTS = st.text() | st.sampled_from(
    ['"', "\\", "\ud800", "a\nb", "\x1b[31m\x00", "%s", "x" * 10_000]
)


@contextmanager
def log(size: int = 0) -> Iterator[tuple[logging.Logger, Callable[[], list[dict[str, Any]]]]]:
    """A logger, and what reads its file, as strictly as any reader may."""
    logger = logging.getLogger("test.json")
    with TemporaryDirectory() as directory:
        file = Path(directory) / "instance1.log"
        # As instances have it: with the formatter of the recipe.
        handler = JsonLogFile(str(file), maxBytes=size, backupCount=2)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False

        def records() -> list[dict[str, Any]]:
            found = []
            for path in sorted(Path(directory).iterdir(), reverse=True):
                for line in path.read_text("ascii").splitlines():
                    assert line.isprintable()
                    assert access_line.JSON.match(line)
                    found.append(json.loads(line))
                    json.dumps(found[-1], ensure_ascii=False).encode("utf-8")
            return found

        yield logger, records
        logger.removeHandler(handler)
        handler.close()


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Records as the agent makes them."""
    usual = logging.getLogRecordFactory()
    keep_lines_whole()
    yield
    logging.setLogRecordFactory(usual)


def check(message: str, argument: str, error: str) -> None:
    with log() as (logger, records):
        try:
            raise ValueError(error)
        except ValueError:
            logger.exception("text %s", argument)
        logger.warning(message, stack_info=True)
        first, second = records()
    assert (first["level"], first["logger"]) == ("ERROR", "test.json")
    assert "\nValueError" in first["exception"]
    assert "Traceback" in first["exception"]
    assert "check" in second["exception"]
    assert "id" not in first


@given(message=TEXTS, argument=TEXTS, error=TEXTS)
def test_any_text_before_the_agent_starts(message: str, argument: str, error: str) -> None:
    check(message, argument, error)


@pytest.mark.usefixtures("agent")
def test_any_text_in_an_instance() -> None:
    given(message=TEXTS, argument=TEXTS, error=TEXTS)(check)()


def test_a_rotated_log_has_whole_objects() -> None:
    with log(size=1000) as (logger, records):
        for number in range(20):
            logger.error("number %d %s", number, "x" * 50)
        found = records()
    assert 2 < len(found) < 20
    assert found[-1]["message"].startswith("number 19 ")


def test_the_number_of_the_request_is_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = logging.getLogRecordFactory()
    meter = Meter(lambda environ, start: [], Threads(1))
    monkeypatch.setattr(meter, "request_id", lambda thread: NUMBER)
    name_requests(meter)
    try:
        with log() as (logger, records):
            logger.error("broken")
            (found,) = records()
    finally:
        logging.setLogRecordFactory(usual)
    assert (found["id"], found["thread"]) == (NUMBER, "MainThread")
