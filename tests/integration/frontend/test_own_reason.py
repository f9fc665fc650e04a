"""A request is refused only for a reason that is its own, and balancers in front can ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.door import Door, statuses
from tests.support.farm import Farm
from zopestack.haproxy.runtime import Runtime

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.9"

#: Queries of public pages: what looks like an escape, or like Zope's names for a method, is text.
QUERIES = [
    "utm_campaign=50%off",
    "q=100%",
    "q=%",
    "q=%zz",
    "q=%E0%A4%A",
    "q=10%+20%",
    "SearchableText=management:method",
    "next=/manage_main&q=how:action",
    "q=..%2f..%2f&r=/VirtualHostRoot/_vh_x",
    "q=%00%0d%0a",
]

#: Whatever else a public page's request may hold.
HEADERS = [
    {"Cookie": "campaign=50%off; q=100%"},
    {"Referer": "http://www.example.com/?q=100%"},
    {"User-Agent": "100% (manage:method)"},
]


@pytest.fixture(scope="module")
def door(farm: Farm, program: Path) -> Iterator[Door]:
    options = {"admin_networks": INSIDE, "requests_per_address": "off", "haproxy": program}
    with farm.door(instances=1, **options) as running:
        yield running


@pytest.mark.parametrize("query", QUERIES)
def test_a_public_page_is_shown_whatever_the_query_is(door: Door, query: str) -> None:
    for source in (OUTSIDE, INSIDE):
        assert door.get(f"/client?{query}", source=source).text == source
    assert door.reach(f"/client?{query}", source=OUTSIDE).query == query


@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_a_public_page_is_shown_whatever_its_headers_are(
    door: Door, headers: dict[str, str]
) -> None:
    assert door.get("/client", headers, source=OUTSIDE).status == 200


@pytest.mark.parametrize("path", ["/100%25", "/50%25off", "/a%25zz", "/management", "/a+b:method"])
def test_a_public_page_may_be_called_anything(door: Door, path: str) -> None:
    """A page that is not there: what matters is that Zope was asked."""
    assert door.get(path, source=OUTSIDE).status == 404
    door.reach(path, source=OUTSIDE)


SITES = "www.example.com = /Plone\nexample.com -> www.example.com\nexample.org/intranet = /inside"


@pytest.fixture(scope="module")
def strict(farm: Farm, program: Path) -> Iterator[Door]:
    """A front end that refuses as much as it can."""
    made = farm.door(
        instances=1,
        haproxy=program,
        sites=SITES,
        tls_certificate="self-signed",
        health_path="/.health",
        requests_per_address=1,
        methods="GET",
        admin_networks=INSIDE,
    )
    made.set(https_address=f"127.0.0.1:{made.https}")
    with made:
        yield made


CHECKS = {
    "HTTP/1.0 without a host": b"GET /.health HTTP/1.0\r\n\r\n",
    "HTTP/1.0 with HEAD": b"HEAD /.health HTTP/1.0\r\n\r\n",
    "by OPTIONS": b"OPTIONS /.health HTTP/1.0\r\n\r\n",
    "by address": b"GET /.health HTTP/1.1\r\nHost: 192.0.2.1:80\r\nConnection: close\r\n\r\n",
    "by a site": b"GET /.health HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n",
    "by a host that redirects": b"GET /.health HTTP/1.0\r\nHost: example.com\r\n\r\n",
    "by an odd host": b"GET /.health HTTP/1.1\r\nHost: a..b\r\nConnection: close\r\n\r\n",
    "with an empty host": b"GET /.health HTTP/1.0\r\nHost:\r\n\r\n",
    "with a query": b"GET /.health?from=100% HTTP/1.0\r\n\r\n",
    "by a whole URL": b"GET http://192.0.2.1/.health HTTP/1.0\r\n\r\n",
}


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("check", CHECKS)
def test_a_balancer_may_ask_whether_the_site_serves(strict: Door, check: str, secure: bool) -> None:
    before = strict.handed()
    for _ in range(2):
        answer = strict.raw(CHECKS[check], OUTSIDE, secure)
        assert statuses(answer) == (200,)
        assert answer.endswith(b"\r\n\r\n" if b"HEAD" in CHECKS[check] else b"\r\n\r\nserving\n")
    assert strict.handed() == before


def test_a_balancer_is_told_that_no_instance_serves(strict: Door) -> None:
    runtime = Runtime(strict.stack.haproxy_socket)
    runtime.command("set server zope/instance1 state maint")
    try:
        assert strict.get("/.health").status == 503
    finally:
        runtime.command("set server zope/instance1 state ready")
    assert strict.get("/.health").status == 200


def test_checks_are_not_logged(strict: Door) -> None:
    strict.get("/.health")
    assert strict.get("/.healthy", {"Host": "www.example.com"}).status == 301
    assert "GET /.health " not in strict.log.read_text()


@pytest.mark.parametrize("host", [b"", b"Host:\r\n", b"Host: \r\n"])
def test_a_redirect_without_a_host_leads_to_the_address(
    farm: Farm, program: Path, host: bytes
) -> None:
    made = farm.door(instances=1, haproxy=program, tls_certificate="self-signed")
    made.set(https_address=f"127.0.0.1:{made.https}")
    with made as door:
        answer = door.raw(b"GET /a?b=100% HTTP/1.0\r\n" + host + b"\r\n")
        assert f"location: https://127.0.0.1:{door.https}/a?b=100%\r\n".encode() in answer
        answer = door.raw(b"GET /moved HTTP/1.0\r\n" + host + b"\r\n", secure=True)
        assert f"location: https://127.0.0.1:{door.https}".lower().encode() in answer.lower()
