"""Whatever the front end refuses is a page that a person can read, or JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import html5lib
import pytest

from tests.support.door import Door, statuses
from tests.support.farm import Farm
from tests.support.fetch import Response
from tests.support.polling import until
from zopestack.haproxy.runtime import Runtime
from zopestack.render.pages import REFUSALS

#: A visitor, and one whose requests are counted.
HOST = {"Host": "www.example.com"}
COUNTED = "127.0.0.5"

TYPED = {"Content-Type": "application/x-www-form-urlencoded"}

#: The user's own lines: a status that nothing else here leads to is denied at /deny/STATUS.
LINES = """\
http-request auth if { path /auth }
acl large req.hdr(x-large) -m found
http-request set-header X-Larger %[req.hdr(x-large)]%[req.hdr(x-large)] if large
"""


@dataclass(frozen=True)
class Cause:
    """A request and the status with which it is refused.

    :param by: who refuses it.
    """

    by: str
    status: int
    path: str = "/"
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    source: str = "127.0.0.1"

    def __str__(self) -> str:
        return f"{self.status} by {self.by}"


CAUSES = (
    Cause("a rule", 400, "/a/../b"),
    Cause("a rule", 403, "/manage"),
    Cause("the agent", 403, "/", "POST", TYPED, b":method=manage_main"),
    Cause("a rule", 405, "/", "PROPFIND"),
    Cause("wait-for-body", 408, "/", "POST", {"Content-Length": "10"}),
    Cause("a rule", 413, "/", "POST", {"Content-Length": str(2 << 20)}),
    Cause("a rule", 414, "/" + "a" * 15_400),
    Cause("a rule", 414, "/?" + "a" * 20_000),
    Cause("a rule", 431, headers={"Cookie": "a" * 16_000}),
    Cause("a rule", 431, headers={f"X-{number}": "a" * 3000 for number in range(8)}),
    Cause("a rule", 421, headers={"Host": "other.example"}),
    Cause("a rule", 429, source=COUNTED),
    # Zope hands an error without a page of its own to waitress.
    Cause("waitress", 500, "/fail?text=x"),
    Cause("HAProxy", 500, headers={"X-Large": "x" * 14000}),
    Cause("HAProxy", 502, "/cached", "POST", TYPED, b"control=" + b"x" * 40_000),
    *(
        Cause("the user's lines", each.status, f"/deny/{each.status}")
        for each in REFUSALS
        if each.configurable
    ),
)

#: How a client may ask, and whether it wants JSON.
ACCEPTS = {
    None: False,
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": False,
    "*/*": False,
    "image/png": False,
    "application/json, text/html": False,
    "nothing at all": False,
    "": False,
    "application/json": True,
    "Application/JSON": True,
    "application/problem+json": True,
    "application/json, text/plain, */*": True,
}


@pytest.fixture(scope="module")
def door(farm: Farm, program: Path) -> Iterator[Door]:
    running = farm.door(
        haproxy=program,
        sites="www.example.com = /",
        admin_networks="127.0.0.9",
        requests_per_address=1,
        timeout_http_request="1s",
        frontend_extra="lines",
    )
    denied = [each.status for each in REFUSALS if each.configurable]
    lines = [f"http-request deny deny_status {n} if {{ path /deny/{n} }}\n" for n in denied]
    (running.directory / "lines").write_text(LINES + "".join(lines))
    with running:
        yield running


def asked(door: Door, cause: Cause, accept: str | None = None) -> Response:
    if cause.source == COUNTED:
        door.get(headers=HOST, source=COUNTED)
    headers = HOST | cause.headers | ({} if accept is None else {"Accept": accept})
    return door.get(cause.path, headers, cause.method, cause.source, body=cause.body)


def check(answer: Response, status: int, as_json: bool) -> str:
    """A page of one of the two kinds; the request's number on it."""
    assert answer.status == status
    assert answer.headers["cache-control"] == "no-store"
    assert "zopestack-refused" not in answer.headers
    (refusal,) = [each for each in REFUSALS if each.status == status]
    if as_json:
        assert answer.headers["content-type"] == "application/json"
        told = json.loads(answer.body)
        assert told["status"] == status
        assert told["message"] == f"{refusal.title}. {refusal.text}"
        return str(told["request_id"])
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!DOCTYPE html>")
    assert "buildout" not in answer.text
    page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(answer.text)
    assert page.findtext("head/title") == page.findtext("body/h1") == refusal.title
    assert refusal.text in page.findtext("body/p")
    words = page.findtext("body/p/small").split()
    assert words[:2] == ["Status", f"{status},"]
    return str(words[-1])


@pytest.mark.parametrize("cause", CAUSES, ids=str)
def test_every_refusal_is_a_page(door: Door, cause: Cause) -> None:
    with ThreadPoolExecutor(len(ACCEPTS)) as pool:
        answers = pool.map(lambda accept: asked(door, cause, accept), ACCEPTS)
        numbers = [
            check(answer, cause.status, as_json)
            for answer, as_json in zip(answers, ACCEPTS.values(), strict=True)
        ]
    logged = until("the log", lambda: door.log.read_text(), lambda text: numbers[-1] in text)
    assert all(f" id={number} " in logged for number in numbers)


GET = [cause for cause in CAUSES if cause.method == "GET"]


# What Zope answers to HEAD is Zope's own.
@pytest.mark.parametrize("cause", [cause for cause in GET if cause.by != "waitress"], ids=str)
def test_head_has_the_headers_and_no_body(door: Door, cause: Cause) -> None:
    whole = asked(door, cause)
    answer = door.get(cause.path, HOST | cause.headers, "HEAD", cause.source)
    assert (answer.status, answer.body) == (cause.status, b"")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert int(answer.headers["content-length"]) == len(whole.body)


@pytest.mark.parametrize("cause", GET, ids=str)
def test_http_1_0_is_answered_and_closed(door: Door, cause: Cause) -> None:
    if cause.source == COUNTED:
        asked(door, cause)
    lines = [f"{name}: {value}" for name, value in (HOST | cause.headers).items()]
    request = "\r\n".join([f"GET {cause.path} HTTP/1.0", *lines, "", ""])
    head, _, body = door.raw(request.encode(), cause.source).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == cause.status
    assert body.startswith(b"<!DOCTYPE html>")
    assert body.endswith(b"</html>")


def test_headers_that_say_what_to_do_next_are_there(door: Door) -> None:
    by_status = {cause.status: asked(door, cause).headers for cause in GET}
    by_status[405] = asked(door, Cause("a rule", 405, method="PROPFIND")).headers
    assert by_status[405]["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert by_status[429]["retry-after"] == "10"
    assert by_status[503]["retry-after"] == "5"
    assert door.get("/auth", HOST).headers["www-authenticate"] == 'Basic realm="site"'


def test_a_page_of_zopes_own_stays(door: Door) -> None:
    answer = door.get("/nothing", HOST)
    assert answer.status == 404
    assert all(each.title not in answer.text for each in REFUSALS)


def test_no_instance_and_no_answer_in_time_are_pages(farm: Farm, program: Path) -> None:
    with farm.door(haproxy=program, instances=1, timeout_server="1s") as door:
        slow = Cause("HAProxy", 504, "/sized?bytes=1&seconds=2")
        check(asked(door, slow), 504, as_json=False)
        until("the thread", door.busy, lambda busy: busy == [0])
        Runtime(door.stack.haproxy_socket).command("disable server zope/instance1")
        for accept in (None, "application/json"):
            check(asked(door, slow, accept), 503, as_json=bool(accept))


def test_what_an_instance_refuses_without_zope_is_a_page(door: Door) -> None:
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (2 << 20, b"x" * (2 << 20))
    cause = Cause("waitress", 413, "/", "POST", {"Transfer-Encoding": "chunked"}, body)

    def answer() -> Response | None:
        # A reset of the instance may overtake its answer.
        try:
            found = asked(door, cause, "application/json")
        except OSError:
            return None
        return found if found.status == 413 else None

    check(until("an answer", answer), 413, as_json=True)


def test_nothing_is_read_after_a_request_that_may_go_on(door: Door) -> None:
    for first in (b"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"):
        assert statuses(door.raw(first + b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")) == (
            400,
        )
