"""Pages come from Volto, all else from Plone. In Volto's place stands a server of Python's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.polling import until
from tests.support.volto import Volto, running
from zopestack.features.volto import HEALTH

SITES = """
www.example.com = /Plone
example.com/intranet = /inside/intranet
zope.example.com = /"""

WWW = {"Host": "www.example.com"}


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Volto, Volto]]:
    with running() as one, running() as other:
        yield one, other


@pytest.fixture(scope="module")
def door(farm: Farm, servers: tuple[Volto, Volto]) -> Iterator[Door]:
    addresses = " ".join(f"127.0.0.1:{each.server_port}" for each in servers)
    options = {"sites": SITES, "trusted_proxies": "127.0.0.8", "groups": "rest = /++api++"}
    with farm.door(instances=1, volto_address=addresses, **options) as made:
        until("Volto to be up", lambda: up(made), {"volto1", "volto2"}.__eq__)
        yield made


def up(door: Door) -> set[str]:
    rows = (name.split("/") for name, row in door.figures().items() if row["status"][:2] == "UP")
    return {name for backend, name in rows if backend == "volto" and name != "BACKEND"}


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("www.example.com", "/"),
        ("www.example.com", "/news?a=b"),
        ("www.example.com", "/++api++x"),
        ("www.example.com", "/news/++api++/x"),
        ("www.example.com", "/@@imagesx/y"),
        ("www.example.com", "/static/client.js"),
        ("example.com", "/intranet"),
        ("example.com", "/intranet/news"),
    ],
)
def test_a_page_is_voltos_and_is_asked_for_as_it_was(door: Door, host: str, path: str) -> None:
    door.seen()
    assert door.get(path, {"Host": host}).text == f"volto {host} {path}"
    assert door.seen() == []


@pytest.mark.parametrize(
    ("host", "path", "zope"),
    [
        ("www.example.com", "/++api++", "/Plone/++api++/VirtualHostRoot"),
        ("www.example.com", "/++api++/news", "/Plone/++api++/VirtualHostRoot/news"),
        ("www.example.com", "/a/@@images/b", "/Plone/++api++/VirtualHostRoot/a/@@images/b"),
        (
            "www.example.com",
            "/@@site-logo/x.png",
            "/Plone/++api++/VirtualHostRoot/@@site-logo/x.png",
        ),
        ("www.example.com", "/@portrait/me", "/Plone/++api++/VirtualHostRoot/@portrait/me"),
        (
            "example.com",
            "/intranet/++api++/news",
            "/inside/intranet/++api++/VirtualHostRoot/_vh_intranet/news",
        ),
        (
            "example.com",
            "/intranet/a/@@download/file/b",
            "/inside/intranet/++api++/VirtualHostRoot/_vh_intranet/a/@@download/file/b",
        ),
        ("zope.example.com", "/deep", "/VirtualHostRoot/deep"),
    ],
)
def test_the_rest_is_plones(door: Door, host: str, path: str, zope: str) -> None:
    asked = door.reach(path, {"Host": host})
    assert asked.path == f"/VirtualHostBase/http/{host}:80{zope}"


def test_the_api_may_have_a_group(door: Door) -> None:
    (rest,) = door.stack.lane("zope-rest")
    assert door.reach("/++api++/news", WWW).port == rest.address.port
    assert door.reach("/news/@@images/x", WWW).port != rest.address.port


def test_what_a_proxy_has_rewritten_is_plones(door: Door) -> None:
    path = "/VirtualHostBase/https/www.example.com/Plone/++api++/VirtualHostRoot/news"
    assert door.reach(path, source="127.0.0.8").path == path


def test_a_login_of_volto_is_told_to_plone_for_files_only(door: Door) -> None:
    def told(path: str, method: str = "GET", **headers: str) -> str | None:
        return door.reach(path, {**WWW, **headers}, method=method).headers.get("authorization")

    cookie = {"Cookie": "auth_token=abc.def; I18N_LANGUAGE=en"}
    assert told("/a/@@images/b", **cookie) == "Bearer abc.def"
    assert told("/a/@@images/b", **cookie, Authorization="Basic eDp5") == "Basic eDp5"
    assert told("/a/@@images/b", "POST", **cookie) is None
    assert told("/a/@@images/b") is None
    assert told("/++api++/a", **cookie) is None


def test_a_server_that_is_ill_gets_nothing_and_without_any_there_is_a_page(
    door: Door, servers: tuple[Volto, Volto]
) -> None:
    """Last."""
    one, other = servers
    one.well = False
    until("it to be out", lambda: up(door), {"volto2"}.__eq__)
    one.asked.clear()
    assert {door.get("/", WWW).status for _ in range(5)} == {200}
    assert {*one.asked} <= {HEALTH}
    other.well = False
    until("both to be out", lambda: up(door), set().__eq__)
    refused = door.get("/", WWW)
    assert refused.status == 503
    assert b"back in a moment" in refused.body
    assert door.reach("/++api++/news", WWW).path.endswith("VirtualHostRoot/news")
    one.well = other.well = True
    until("both to be back", lambda: len(up(door)), (2).__eq__)
