"""Varnish in front of real Zope: for strangers, for what may be kept, until it is purged."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator, Mapping

import pytest

from tests.support.door import TO_HAPROXY, Door, statuses
from tests.support.farm import Farm
from tests.support.fetch import Response, fetch
from tests.support.polling import until

#: The folders of both are found in each: what is there once is reached by many paths.
SITES = "a.example = /Plone\nb.example = /odd\na.example/in = /Plone/inside"

VISITOR = "127.0.0.2"

_tries = itertools.count()


@pytest.fixture(scope="module", params=["front", "balancer"])
def door(farm: Farm, request: pytest.FixtureRequest) -> Iterator[Door]:
    options = {"sites": SITES, "varnish_cookies": "consent"}
    with farm.door(instances=1, varnish=request.param, **options) as running:
        yield running


@pytest.fixture
def page() -> str:
    """A page that may be kept, and that no other test asks for."""
    return f"/cached?test={next(_tries)}"


def made(door: Door, path: str, host: str = "a.example", **headers: str) -> int:
    """Which response an instance made was given."""
    answer = asked(door, path, {"Host": host, **headers})
    assert answer.status == 200
    return int(answer.text)


def asked(door: Door, path: str, headers: Mapping[str, str], method: str = "GET") -> Response:
    # Not from this machine itself, whose requests change what is counted.
    return door.get(path, {"Host": "a.example", **headers}, method=method, source=VISITOR)


def test_what_may_be_kept_is_made_once(door: Door, page: str) -> None:
    assert made(door, page) == made(door, page)
    door.seen()
    assert asked(door, page, {}, "HEAD").status == 200
    assert door.seen() == []


def test_another_host_path_or_query_is_another_page(door: Door, page: str) -> None:
    once = made(door, page)
    assert made(door, page, host="b.example") > once
    assert made(door, f"{page}&a=b") > once
    assert made(door, f"/deep{page}") > once
    assert made(door, page, host="A.Example") == once


def test_who_asks_for_json_gets_no_page_and_nobody_else_gets_json(door: Door, page: str) -> None:
    as_json = made(door, page, Accept="application/json")
    assert made(door, page, Accept="text/html,*/*;q=0.8") > as_json
    assert made(door, page, Accept="Application/JSON, text/html") == as_json


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic YTpi"},
        {"Cookie": "__ac=user"},
        {"Cookie": "consent=yes; _ZopeId=session"},
        {"Cookie": "auth_token=volto"},
        {"Cookie": "I18N_LANGUAGE=de"},
        {"Cookie": "consent=1;__ac=user"},
        {"Cookie": "consent"},
        {"X-Requested-With": "XMLHttpRequest"},
        {"X-HTTP-Method-Override": "POST"},
        {"X-Original-URL": "/evil"},
        {"X-Anonymous": "False"},
        {"Remote-User": "admin"},
        {"X-Forwarded-User": "admin"},
        {"Origin": "https://evil.example"},
        {"Range": "bytes=0-0"},
        {"Zopestack-Probe": "1"},
        {"Zopestack-Large": "1"},
        {"Zopestack-Client": "192.0.2.1"},
        {"Zopestack-Failed": "503"},
        {"Zopestack-Priority": "-9"},
        {"Unknown": "header"},
    ],
    ids=str,
)
def test_who_is_not_like_everybody_neither_fills_nor_uses_it(
    door: Door, page: str, headers: Mapping[str, str]
) -> None:
    """What HAProxy removes from a request changes nothing, so that may be answered."""
    door.seen()
    asked(door, page, headers)
    given = door.seen()
    stranger = made(door, page)
    again = door.seen()
    if again == []:
        assert not {name.lower() for name in headers} & set(given[0].headers)
        return
    asked(door, page, headers)
    assert len(door.seen()) == 1
    assert made(door, page) == stranger


def test_a_login_is_among_what_is_not_like_everybody(door: Door, page: str) -> None:
    for headers in ({"Authorization": "Basic YTpi"}, {"Cookie": "__ac=user"}):
        assert made(door, page, **headers) < made(door, page, **headers)


def test_who_has_saved_something_is_not_answered_from_it(door: Door, page: str) -> None:
    writer = "127.0.0.3"

    def number(source: str) -> int:
        return int(door.get(page, {"Host": "a.example"}, source=source).text)

    before = number(VISITOR)
    assert number(writer) == before
    assert door.get("/", {"Host": "a.example"}, "POST", writer, body=b"").status == 200
    assert number(writer) > before
    assert number(VISITOR) == before


def test_cookies_that_no_page_depends_on_are_taken_away(door: Door, page: str) -> None:
    door.seen()
    cookies = "consent=yes; _ga=1; _ga_AB1=x; _pk_id.1=2; ZOPESTACK=instance1"
    once = made(door, page, Cookie=cookies)
    (request,) = door.seen()
    assert "cookie" not in request.headers
    assert made(door, page) == once


@pytest.mark.parametrize(
    "query",
    [
        "cookie=1",
        "vary=*",
        "control=private",
        "control=no-cache",
        "control=no-store",
        "control=none",
        "control=max-age=0",
        "control=public,max-age=60,private",
    ],
)
def test_what_is_not_for_all_is_not_kept(door: Door, page: str, query: str) -> None:
    """Nor what only says when it was changed."""
    assert made(door, f"{page}&{query}") < made(door, f"{page}&{query}")


@pytest.mark.parametrize("control", ["s-maxage=60,max-age=0,must-revalidate", "max-age=60"])
def test_what_plone_says_of_a_page_that_may_be_kept(door: Door, page: str, control: str) -> None:
    path = f"{page}&control={control}"
    assert made(door, path) == made(door, path)


def test_a_page_of_its_language_is_kept_for_that_language(door: Door, page: str) -> None:
    path = f"{page}&vary=Accept-Language"
    german = made(door, path, **{"Accept-Language": "de"})
    assert made(door, path, **{"Accept-Language": "en"}) > german
    assert made(door, path, **{"Accept-Language": "de"}) == german


def test_of_what_is_not_kept_an_instance_sees_the_whole_request(door: Door, page: str) -> None:
    path = f"{page}&control=private"
    made(door, path)
    conditions = {"If-None-Match": '"x"', "If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}
    request = door.reach(path, {"Host": "a.example", **conditions}, source=VISITOR)
    assert {name: request.headers.get(name.lower()) for name in conditions} == conditions


def test_an_instance_is_told_of_the_client_as_without_varnish(door: Door) -> None:
    answer = asked(door, "/client", {})
    assert answer.text == VISITOR
    request = door.reach("/client?again", {"Host": "a.example"}, source=VISITOR)
    assert request.headers["x-forwarded-for"] == VISITOR
    own = {name for name in request.headers if name.startswith("zopestack")}
    # It asks ZEO for what is new, unless the page is known not to be kept.
    assert own - (TO_HAPROXY if door.stack.varnish.gives else set()) == {"zopestack-sent"}
    again = door.reach("/client?again", {"Host": "a.example"}, source=VISITOR)
    assert "zopestack-reader" in again.headers
    line = f"id={request.headers['x-request-id']} {VISITOR} "
    until("its line", lambda: line in door.log.read_text())


def test_a_client_takes_nothing_away_from_what_an_instance_is_told(door: Door) -> None:
    """Varnish does not pass on what ``Connection`` names."""
    named = "close, Host, X-Forwarded-For, X-Request-ID, Zopestack-Sent, Zopestack-Client"
    headers = {"Host": "a.example", "Connection": named}
    request = door.reach("/client?connection", headers, source=VISITOR)
    assert request.headers["x-forwarded-for"] == VISITOR
    assert {"host", "x-request-id", "zopestack-sent"} <= set(request.headers)


def test_nothing_of_varnish_is_shown_outside(door: Door, page: str) -> None:
    for _ in range(2):
        shown = {name.lower() for name in asked(door, page, {}).headers}
        assert not {name for name in shown if "varnish" in name or "zopestack" in name}
        assert "via" not in shown


def test_what_is_too_large_to_keep_is_handed_on_whole(door: Door) -> None:
    size = door.stack.sizes.kept + 1
    assert asked(door, f"/sized?bytes={size}", {}).body == b"x" * size
    assert counter(door, "MAIN.s_pipe") == 1
    assert asked(door, "/sized?bytes=1000", {}).body == b"x" * 1000
    assert counter(door, "MAIN.s_pipe") == 1


def counter(door: Door, name: str) -> int:
    """One of Varnish's figures."""
    words = ("varnishstat", "-n", door.stack.varnish_directory, "-1", "-f", name)
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return int(re.split(r"\s+", told)[1])


def purge(door: Door, url: str, method: str = "PURGE") -> int:
    return fetch(door.stack.varnish.varnish_address, url, method, None, {}).status


@pytest.mark.parametrize(
    "url",
    [
        "/deep/cached",
        "/deep/cached/?x",
        "/Plone/deep/cached",
        "/VirtualHostBase/http/other.example:80/Plone/VirtualHostRoot/deep/cached",
        "/VirtualHostBase/https/a.example/Plone/VirtualHostRoot/_vh_x/deep/cached",
    ],
)
def test_a_purge_of_plone_removes_the_page_whatever_its_query(door: Door, url: str) -> None:
    pages = [f"/deep/cached{query}" for query in ("", "?a=b", "?c=d")]
    before = [made(door, page) for page in pages]
    other = made(door, "/other/cached")
    assert purge(door, url) == 200
    assert [made(door, page) > old for page, old in zip(pages, before, strict=True)] == [True] * 3
    assert made(door, "/other/cached") == other


def test_a_purge_of_an_object_removes_it_from_every_site(door: Door) -> None:
    """``/Plone/inside`` is shown as ``/inside`` and as ``/in``."""
    before = [made(door, path) for path in ("/inside/cached", "/in/cached")]
    root = "/VirtualHostBase/http/a.example:80/Plone/VirtualHostRoot"
    assert purge(door, f"{root}/inside/cached") == 200
    after = [made(door, path) for path in ("/inside/cached", "/in/cached")]
    assert all(new > old for new, old in zip(after, before, strict=True))


def test_a_visitor_cannot_purge(door: Door, page: str) -> None:
    before = made(door, page)
    for method in ("PURGE", "BAN", "REFRESH"):
        assert asked(door, page, {}, method).status == 405
    behind = (
        b"GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\nPURGE /cached HTTP/1.1\r\n"
    )
    answer = door.raw(behind + b"Host: a.example\r\nConnection: close\r\n\r\n", VISITOR)
    assert statuses(answer) == (200, 405)
    assert made(door, page) == before


@pytest.mark.parametrize("method", ["PURGE", "GET", "BAN"])
def test_nor_where_methods_lets_everything_through(farm: Farm, page: str, method: str) -> None:
    with farm.door(instances=1, varnish="front", methods="GET HEAD POST PURGE BAN") as door:
        before = made(door, page)
        # Who sends these counts as having saved something.
        door.get(page, {"Host": "a.example"}, method=method, source="127.0.0.4")
        assert made(door, page) == before


@pytest.mark.parametrize("method", ["GET", "POST", "BAN", "HEAD"])
def test_where_instances_purge_nothing_else_is_answered(door: Door, method: str) -> None:
    door.seen()
    assert purge(door, "/deep/cached", method) == 405
    assert door.seen() == []


def test_a_purge_is_no_rule_of_its_own(door: Door, page: str) -> None:
    """What stands in the URL stays a path."""
    before = made(door, page)
    assert purge(door, '/x"||obj.status=="200') == 400
    assert made(door, page) == before


def test_it_is_off_by_default(farm: Farm) -> None:
    with farm.door(instances=1) as door:
        assert made(door, "/cached") < made(door, "/cached")
        assert "varnish" not in door.stack.haproxy_conf.read_text()
