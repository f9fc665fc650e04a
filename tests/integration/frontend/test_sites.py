"""Host names and the objects in Zope they show, as paths that reach an instance."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.door import Door
from tests.support.farm import Farm

SITES = """
    www.example.com = /Plone
    example.com -> www.example.com
    example.org = /
    example.org/intranet = /inside/intranet
    example.org/intranet/deep = /deep
    odd.example:9999 = /odd
    old.example.org:9999 -> example.org"""


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with farm.door(sites=SITES) as running:
        yield running


def shown(door: Door, host: str, path: str) -> str:
    """The path that Zope is given."""
    return door.reach(path, {"Host": host}).path


@pytest.mark.parametrize(
    ("host", "path", "zope"),
    [
        ("www.example.com", "/", "www.example.com:80/Plone/VirtualHostRoot/"),
        ("www.example.com", "/a/b", "www.example.com:80/Plone/VirtualHostRoot/a/b"),
        ("WWW.Example.COM", "/A", "www.example.com:80/Plone/VirtualHostRoot/A"),
        ("www.example.com:80", "/", "www.example.com:80/Plone/VirtualHostRoot/"),
        ("example.org", "/", "example.org:80/VirtualHostRoot/"),
        ("example.org", "/intranets", "example.org:80/VirtualHostRoot/intranets"),
        ("example.org", "/intranet",
         "example.org:80/inside/intranet/VirtualHostRoot/_vh_intranet"),
        ("example.org", "/intranet/x",
         "example.org:80/inside/intranet/VirtualHostRoot/_vh_intranet/x"),
        ("example.org", "/intranet/deep/x",
         "example.org:80/deep/VirtualHostRoot/_vh_intranet/_vh_deep/x"),
        ("example.org", "/intranet/deeper",
         "example.org:80/inside/intranet/VirtualHostRoot/_vh_intranet/deeper"),
        ("odd.example:9999", "/", "odd.example:9999/odd/VirtualHostRoot/"),
    ],
)  # fmt: skip
def test_a_host_shows_its_object(door: Door, host: str, path: str, zope: str) -> None:
    assert shown(door, host, path) == f"/VirtualHostBase/http/{zope}"


def test_the_port_of_the_door_is_part_of_the_url(door: Door) -> None:
    host = f"www.example.com:{door.ports.http}"
    assert shown(door, host, "/") == f"/VirtualHostBase/http/{host}/Plone/VirtualHostRoot/"


@pytest.mark.parametrize(
    ("host", "path", "status", "url"),
    [
        ("www.example.com", "/", 200, "http://www.example.com"),
        ("example.org", "/intranet", 200, "http://example.org/intranet"),
        ("example.org", "/intranet/deep", 200, "http://example.org/intranet/deep"),
        ("odd.example:9999", "/", 200, "http://odd.example:9999"),
        ("www.example.com", "/nothing", 404, None),
    ],
)
def test_zope_takes_it_for_that_object(
    door: Door, host: str, path: str, status: int, url: str | None
) -> None:
    answer = door.get(path, {"Host": host})
    assert answer.status == status
    if url:
        assert f'<base href="{url}/"' in answer.text


@pytest.mark.parametrize(
    "host",
    ["other.example", "www.example.com:1", "sub.www.example.com", "127.0.0.1", "[::1]",
     "odd.example", "www.example.com.", "www.example.community"],
)  # fmt: skip
def test_an_unknown_host_gets_421(door: Door, host: str) -> None:
    before = door.handed()
    assert door.get("/", {"Host": host}).status == 421
    assert door.handed() == before


def test_a_query_is_left_alone(door: Door) -> None:
    assert door.reach("/x?a=%20b&c", {"Host": "www.example.com"}).query == "a=%20b&c"


def test_a_redirect_leads_to_the_same_page(door: Door) -> None:
    answer = door.get("/a?b=c", {"Host": "example.com"})
    assert (answer.status, answer.headers["location"]) == (301, "http://www.example.com/a?b=c")
    host = f"Example.com:{door.ports.http}"
    answer = door.get("/", {"Host": host})
    assert answer.headers["location"] == f"http://www.example.com:{door.ports.http}/"
    answer = door.get("/a", {"Host": "old.example.org:9999"})
    assert answer.headers["location"] == "http://example.org:9999/a"


def test_a_redirect_keeps_the_method(door: Door) -> None:
    assert door.get("/a", {"Host": "example.com"}, "POST", body=b"x").status == 308


def test_any_other_host_may_show_a_site_too(farm: Farm) -> None:
    with farm.door(sites="www.example.com = /Plone\n * = /other") as door:
        assert "/Plone/" in shown(door, "www.example.com", "/")
        other = shown(door, "whatever.example:99", "/")
        assert other == "/VirtualHostBase/http/whatever.example:99/other/VirtualHostRoot/"


def test_without_sites_paths_are_left_alone(farm: Farm) -> None:
    with farm.door() as door:
        assert shown(door, "whatever.example:99", "/a") == "/a"
        assert door.get("/VirtualHostBase/http/a:80/VirtualHostRoot/").status == 400
