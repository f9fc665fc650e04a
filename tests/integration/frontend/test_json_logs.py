"""The access log as JSON: whatever bytes a visitor sends, each line is one object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.fetch import fetch
from tests.support.polling import until
from zopestack.features.access_log import NUMBERS, OWN, VISITORS
from zopestack.haproxy import access_line
from zopestack.supervisor.logs import written
from zopestack.supervisor.trace import trace
from zopestack_bench import visitors

MEMBERS = ["time", *OWN, *NUMBERS, *VISITORS]

#: Each request here ends its connection.
END = b"\r\nConnection: close\r\n\r\n"

#: What JSON, HAProxy, or a terminal might take for something else, and much of it.
ODD = [b'"', b"\\", b'","id":"forged","x":"', b"}", b"%", b"%[src]", b"\x00", b"\x1b[31m", b"\x7f"]
ODD += [
    b"\n",
    b"\r",
    b"\t",
    b"\xff",
    b"\x80",
    b"\xc3",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
]
ODD += [b"\xf0\x9f\x98\x80", b"\xef\xbf\xbf", b"\\u0000", b"/", b"a" * 300, b"\xc3\xa9" * 200]
BYTES = st.lists(st.sampled_from(ODD) | st.binary(max_size=6), max_size=6).map(b"".join)

numbers = count()


@pytest.fixture(scope="module")
def door(farm: Farm, program: Path) -> Iterator[Door]:
    with farm.door(haproxy=program, log_format="json", timeout_http_request="1s") as running:
        yield running


def strict(line: str) -> dict[str, Any]:
    """A line as any reader of JSON takes it."""
    assert line.isascii()
    assert line.isprintable() or "\x7f" in line

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert [name for name, _ in pairs] == MEMBERS
        return dict(pairs)

    def refused(text: str) -> None:
        raise AssertionError(text)

    found: dict[str, Any] = json.loads(line, object_pairs_hook=once, parse_constant=refused)
    assert isinstance(found["time"], float)
    assert all(isinstance(found[name], int) for name in NUMBERS)
    for name in (*OWN, *VISITORS):
        found[name].encode("utf-8")
    return found


def lines(door: Door) -> list[dict[str, Any]]:
    """The access log, but for what HAProxy says of itself into the same file of this test."""
    text = door.log.read_text("utf-8")
    return [strict(line) for line in text.splitlines() if not re.match(r"\[\w+ *\] |<\d>", line)]


def logged(door: Door, request: bytes) -> list[dict[str, Any]]:
    """Send bytes, then a request of this test's own; the lines of both, that of the latter last."""
    before = door.log.stat().st_size
    door.raw(request)
    mark = f"/?mark={next(numbers)}"
    door.get(mark)

    def told() -> list[dict[str, Any]]:
        with door.log.open(encoding="utf-8") as file:
            file.seek(before)
            text, ended, _ = file.read().rpartition("\n")
        found = [strict(line) for line in text.split("\n") if ended]
        return found if found and found[-1]["url"] == mark else []

    return until("the lines", told)


@given(method=BYTES, path=BYTES, agent=BYTES, referer=BYTES, host=BYTES)
@example(b"GET", b'"' * 9000, b"", b"", b"x")
@example(b"GET", b"\\" * 15000, b"\xc3\xa9" * 5000, b"", b"x")
@example(b"GET", b"", b'"' * 10_000, b"", b"x")
@example(b"GET", b"", b"", b"\x01" * 5000, b"\xff" * 5000)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes(
    door: Door, method: bytes, path: bytes, agent: bytes, referer: bytes, host: bytes
) -> None:
    headers = [b"Host: " + host, b"User-Agent: " + agent, b"Referer: " + referer]
    request = (method or b"GET") + b" /" + path + b" HTTP/1.1\r\n" + b"\r\n".join(headers) + END
    found = logged(door, request)
    # Whoever sends more requests on one connection has more lines; nobody has the id of another.
    assert "forged" not in {each["id"] for each in found}


def test_its_members_are_what_was_sent(door: Door) -> None:
    headers = b'Host: www.example.com\r\nUser-Agent: a "b" \xc3\xa9\r\nReferer: http://a.example/'
    (line, _) = logged(door, b"GET /?b=%22c HTTP/1.1\r\n" + headers + END)
    assert (line["method"], line["url"], line["version"]) == ("GET", "/?b=%22c", "HTTP/1.1")
    assert (line["host"], line["user_agent"]) == ("www.example.com", 'a "b" \xe9')
    assert (line["referer"], line["status"]) == ("http://a.example/", 200)
    assert line["client"] == "127.0.0.1"
    assert line["instance"] in {each.name for each in door.stack.instances}
    assert line["total"] >= line["response"] >= line["queue"] == 0


def test_what_was_not_sent_is_a_dash(door: Door) -> None:
    (line, _) = logged(door, b"nonsense" + END)
    assert {line[name] for name in (*VISITORS, "id")} == {"-"}
    assert (line["status"], line["instance"]) == (400, "<NOSRV>")


def test_a_long_url_is_there_to_its_end(door: Door) -> None:
    path = f"/?q={'x' * 9000}end"
    (line, _) = logged(door, f"GET {path} HTTP/1.1\r\nHost: x".encode() + END)
    assert line["url"] == path


def test_the_status_page_is_not_logged(door: Door) -> None:
    before = len(lines(door))
    fetch(door.stack.balancer.stats_address, "/")
    assert len(logged(door, b"GET /once HTTP/1.1\r\nHost: x" + END)) == 2
    assert len(lines(door)) == before + 2


def test_whoever_reads_the_log_reads_this_form(door: Door) -> None:
    request = b'GET /?seen="x" HTTP/1.1\r\nHost: localhost' + END
    (line, _) = logged(door, request)
    # As the program access-log has it.
    text = json.dumps(line, separators=(",", ":"))
    assert written(text) == line["time"]
    found = access_line.parsed(text)
    assert found
    assert found.request == 'GET /?seen="x" HTTP/1.1'
    said = trace(door.stack, line["id"])
    assert 'asked      GET /?seen="x" HTTP/1.1\n' in said
    assert f"status     {line['status']}" in said
    assert '/?seen="x"' in {each.path for each in visitors.logged(door.log)}
