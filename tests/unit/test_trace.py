from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.model import Stack
from zopestack.supervisor.stopped import Stopped
from zopestack.supervisor.trace import trace

NUMBER = "551c253f-8aac-4b83-8f81-273ed37e2f90"

LINE = (
    "{server} status={status} queue={queue} response=-1 total=5003 {state} id=" + NUMBER + " "
    '192.0.2.7 - - [23/Nov/2026:22:50:28 +0000] "GET /a\\"b HTTP/1.1" 200 4480 "" "x" host=x\n'
)


@pytest.fixture
def stack(home: Path) -> Stack:
    stack = describe.read(home)
    stack.logs.mkdir(parents=True)
    return stack


@pytest.mark.parametrize(
    ("state", "server", "said"),
    [
        ("----", "instance2", ["instance   instance2", "response   never"]),
        ("sQ--", "<NOSRV>", ["instance   none", "in time while it waited for a thread (sQ--)"]),
        ("CD--", "instance2", ["the client closed the connection while the response was sent"]),
    ],
)
def test_how_a_request_ended(stack: Stack, state: str, server: str, said: list[str]) -> None:
    line = LINE.format(server=server, status=503, queue=5000, state=state)
    stack.access_log.write_text(line.replace(NUMBER, "other") + line, encoding="utf-8")
    told = trace(stack, NUMBER)
    assert told.count("request ") == 1
    assert "queue      5000 ms" in told
    for each in said:
        assert each in told
    assert ("ended" in told) == (state != "----")


def test_only_its_own_records_with_their_further_lines(stack: Stack) -> None:
    log = stack.logs / "instance1.log"
    log.write_text(
        f"2026-11-27 17:35:30,9 ERROR [a][w id={NUMBER}] broken\nTraceback\n\nValueError: x\n"
        "2026-11-27 17:35:31,0 ERROR [a][w id=another-1] not this\n    nor this\n",
        encoding="utf-8",
    )
    told = trace(stack, NUMBER)
    assert re.search(r"broken\n +Traceback\n +\n +ValueError: x$", told)
    assert "not this" not in told
    assert "nor this" not in told


def test_a_number_that_is_nowhere(stack: Stack) -> None:
    with pytest.raises(Stopped, match="is in no log in"):
        trace(stack, NUMBER)
    with pytest.raises(Stopped, match="not 'x'"):
        trace(stack, "x")
