"""HAProxy's own cache: for strangers, and for what says it may be held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote

import pytest

from tests.support.door import Door
from tests.support.farm import Farm

#: The folders of both are found in each: what is there once is reached by many paths.
SITES = "a.example = /Plone\nb.example = /odd"


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with farm.door(instances=1, static_cache="4MB", sites=SITES) as running:
        yield running


def made(door: Door, path: str, host: str = "a.example", **headers: str) -> int:
    """Which response an instance made was given."""
    sent = {"Host": host, **{name.capitalize(): value for name, value in headers.items()}}
    answer = door.get(path, sent)
    assert answer.status == 200
    return int(answer.text)


def test_what_may_be_held_is_made_once(door: Door) -> None:
    assert made(door, "/deep/cached") == made(door, "/deep/cached")


def test_another_host_path_or_query_is_another_page(door: Door) -> None:
    once = made(door, "/other/cached")
    assert made(door, "/other/cached", host="b.example") > once
    assert made(door, "/other/cached?a=b") > once
    assert made(door, "/inside/cached") > once


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Basic YTpi"},
        {"cookie": "__ac=user"},
        {"cookie": "a=b; _ZopeId=session"},
        {"cookie": "auth_token=volto"},
    ],
    ids=str,
)
def test_who_is_logged_in_neither_fills_nor_uses_it(door: Door, headers: Mapping[str, str]) -> None:
    path = f"/cached?by={quote(str(headers))}"
    assert made(door, path, **headers) < made(door, path, **headers)
    stranger = made(door, path)
    assert made(door, path, **headers) > stranger
    assert made(door, path) == stranger


def test_a_response_that_sets_a_cookie_is_not_held(door: Door) -> None:
    assert made(door, "/cached?cookie=1") < made(door, "/cached?cookie=1")


@pytest.mark.parametrize(
    "asked",
    ["vary=Cookie", "vary=Accept-Language", "control=private", "control=no-cache", "control=none"],
)
def test_what_is_not_for_all_is_not_held(door: Door, asked: str) -> None:
    """Nor what only says when it was changed."""
    assert made(door, f"/cached?{asked}") < made(door, f"/cached?{asked}")


def test_the_cookie_of_affinity_is_in_no_cache(farm: Farm) -> None:
    with farm.door(static_cache="4MB", affinity="cookie") as door:
        first = door.get("/cached")
        again = door.get("/cached", {"Cookie": "other=1"})
        assert first.text == again.text
        assert not {"set-cookie"} & (set(first.headers) | set(again.headers))
        own = door.get("/cached?control=max-age=60").headers
        assert own["set-cookie"].startswith("ZOPESTACK=")
        assert own.get_all("cache-control") == ["max-age=60", "private"]


def test_what_says_nothing_is_not_held(door: Door) -> None:
    door.seen()
    for _ in range(2):
        assert door.get("/", {"Host": "a.example"}).status == 200
    assert len(door.seen()) == 2


def test_it_is_off_by_default(farm: Farm) -> None:
    with farm.door(instances=1) as door:
        assert made(door, "/cached", host="localhost") < made(door, "/cached", host="localhost")
