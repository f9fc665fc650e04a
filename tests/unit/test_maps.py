"""Sites as HAProxy's maps, read by Python's regular expressions in HAProxy's way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import describe
from zopestack.features.sites import Site
from zopestack.model import Stack
from zopestack.render import maps

SITES = """
    www.example.com = /Plone
    example.com -> www.example.com
    old.example.com:99 -> other.example:8080
    example.org = /
    example.org/a.b = /inside
    example.org/a.b/c = /deep
    example.org:8080 = /eight
    * = /rest"""


def looked_up(entries: tuple[maps.Entry, ...], text: str) -> str | None:
    """What HAProxy's ``map_regm`` answers."""
    for entry in entries:
        if found := re.search(entry.pattern, text):
            return found.expand(entry.value.replace("\\1", "\\g<1>").replace("\\2", "\\g<2>"))
    return None


@pytest.fixture
def stack(home: Path) -> Stack:
    return describe.read(home, {"sites": SITES, "http-address": "8080"})


@pytest.mark.parametrize(
    ("url", "zope"),
    [
        ("www.example.com/x", "/Plone/VirtualHostRoot/x"),
        ("www.example.com:8080/", "/Plone/VirtualHostRoot/"),
        ("www.example.com:443/", "/Plone/VirtualHostRoot/"),
        ("www.example.com:99/", "/rest/VirtualHostRoot/"),
        ("wwwxexample.com/", "/rest/VirtualHostRoot/"),
        ("example.org/a.b", "/inside/VirtualHostRoot/_vh_a.b"),
        ("example.org/a.b/x/y", "/inside/VirtualHostRoot/_vh_a.b/x/y"),
        ("example.org/a.bc", "/VirtualHostRoot/a.bc"),
        ("example.org/axb/c", "/VirtualHostRoot/axb/c"),
        ("example.org/a.b/c/", "/deep/VirtualHostRoot/_vh_a.b/_vh_c/"),
        ("example.org:8080/a.b", "/eight/VirtualHostRoot/a.b"),
        ("/no-host", "/rest/VirtualHostRoot/no-host"),
    ],
)
def test_the_most_special_site_is_taken(stack: Stack, url: str, zope: str) -> None:
    assert looked_up(maps.sites(stack), url) == zope


def test_a_host_that_is_no_site_has_none(home: Path) -> None:
    stack = describe.read(home, {"sites": "www.example.com = /Plone"})
    for url in ("www.example.com.evil.example/", "evil.example/www.example.com/", "/"):
        assert looked_up(maps.sites(stack), url) is None


def test_without_sites_everything_is_the_root(home: Path) -> None:
    entries = maps.sites(describe.read(home))
    assert looked_up(entries, "a.example:99/x") == "/VirtualHostRoot/x"


def test_redirects_keep_the_port_the_visitor_came_to(stack: Stack) -> None:
    entries = maps.redirects(stack)
    assert looked_up(entries, "example.com") == "www.example.com"
    assert looked_up(entries, "example.com:8080") == "www.example.com:8080"
    assert looked_up(entries, "old.example.com:99") == "other.example:8080"
    assert looked_up(entries, "old.example.com") is None
    assert looked_up(entries, "a.example.com") is None


def test_redirects_lead_to_https_at_once(home: Path) -> None:
    options = {"https-address": "8443", "tls-certificate": "self-signed", "sites": SITES}
    entries = maps.redirects(describe.read(home, options))
    assert looked_up(entries, "example.com:8080") == "www.example.com:8443"


LABELS = st.from_regex("[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
STEPS = st.from_regex("[A-Za-z0-9._~@+-]{1,6}", fullmatch=True)


@given(
    host=st.lists(LABELS, min_size=1, max_size=3).map(".".join),
    path=st.lists(STEPS, max_size=3).map(lambda steps: "".join(f"/{step}" for step in steps)),
    rest=st.text("/ab.%+", max_size=8),
)
def test_what_comes_after_a_site_comes_after_it_in_zope(host: str, path: str, rest: str) -> None:
    entry = maps._site(Site(host, path, "/root"), (80,))
    found = looked_up((entry,), f"{host}:80{path}/{rest}")
    assert found == f"/root/VirtualHostRoot{path.replace('/', '/_vh_')}/{rest}"
    assert looked_up((entry,), f"x{host}{path}/{rest}") is None


def owners(home: Path, instances: int, affinity: str = "path") -> list[str]:
    """The preferred instance of each bucket."""
    stack = describe.read(home, {"instances": str(instances), "affinity": affinity})
    entries = maps.preferred(stack)
    assert [entry.pattern for entry in entries] == [str(n) for n in range(maps.BUCKETS)]
    return [entry.value for entry in entries]


@pytest.mark.parametrize("instances", [1, 2, 3, 8, 16])
def test_one_more_instance_takes_its_share_and_nothing_else_moves(
    home: Path, instances: int
) -> None:
    before, after = owners(home, instances), owners(home, instances + 1)
    moved = {new for old, new in zip(before, after, strict=True) if old != new}
    assert moved == {f"instance{instances + 1}"}
    share = maps.BUCKETS / (instances + 1)
    assert all(0.7 * share < after.count(name) < 1.3 * share for name in set(after))
    assert len(set(after)) == instances + 1


def test_users_have_preferred_instances_too_and_nobody_without_affinity(home: Path) -> None:
    assert owners(home, 3, "authenticated") == owners(home, 3)
    for affinity in ("none", "cookie"):
        assert maps.preferred(describe.read(home, {"affinity": affinity})) == ()
