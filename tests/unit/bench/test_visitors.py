"""Which page of which site is replayed; integration/frontend/test_replay.py has what it reaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import describe
from zopestack_bench import Broken, visitors
from zopestack_bench.visitors import Logged


@pytest.mark.parametrize(
    ("sites", "host", "asked"),
    [
        ("", "", "/p"),
        ("", "any.example:1", "http://any.example:1/p"),
        ("www.example.com = /Plone", "", "http://www.example.com/p"),
        ("www.example.com = /Plone", "www.example.com:8080", "http://www.example.com/p"),
        ("www.example.com = /Plone", "other.example", None),
        ("a.example = /a\nb.example = /b", "", None),
        ("a.example = /a\na.example/x = /b", "", "http://a.example/p"),
        ("a.example:99 = /a", "a.example:99", "http://a.example:99/p"),
        ("a.example:99 = /a", "a.example", None),
        ("* = /a", "", "/p"),
        ("* = /a", "b.example:7", "http://b.example:7/p"),
        ("a.example = /a\n* = /b", "a.example:8080", "http://a.example/p"),
        ("* = /a", "[::1]:8080", "http://[::1]:8080/p"),
    ],
)
def test_which_site_a_request_is_for(home: Path, sites: str, host: str, asked: str | None) -> None:
    stack = describe.read(home, {"instances": "1", "sites": sites})
    assert visitors.as_asked(Logged(host, "/p"), stack) == asked


@pytest.mark.parametrize(
    ("sites", "url", "asked"),
    [
        ("", "/p?q=1", "/p?q=1"),
        ("", "http://localhost:8080/p#top", "http://localhost:8080/p"),
        ("www.example.com = /Plone", "/p", "http://www.example.com/p"),
        ("www.example.com = /Plone", "https://WWW.example.com", "http://www.example.com/"),
        ("www.example.com = /Plone", "http://www.example.com/p?q", "http://www.example.com/p?q"),
    ],
)
def test_urls(home: Path, sites: str, url: str, asked: str) -> None:
    stack = describe.read(home, {"instances": "1", "sites": sites})
    assert visitors.from_url(url, stack) == asked


@pytest.mark.parametrize(
    ("sites", "url", "said"),
    [
        ("", "ftp://localhost:8080/", "expected /path, or http://host/path"),
        ("", "page", "expected /path, or http://host/path"),
        ("", "http://www.example.com/", "not a page of this buildout's site"),
        ("a.example = /a\nb.example = /b", "/p", "its hosts are a.example, b.example"),
    ],
)
def test_a_page_of_another_site_is_refused(home: Path, sites: str, url: str, said: str) -> None:
    stack = describe.read(home, {"instances": "1", "sites": sites})
    with pytest.raises(Broken, match=said):
        visitors.from_url(url, stack)


def test_a_log_of_other_sites_is_refused(home: Path) -> None:
    stack = describe.read(home, {"instances": "1", "sites": "a.example = /a\nb.example = /b"})
    with pytest.raises(Broken, match="no request is for a host of sites"):
        visitors.from_log([Logged("", "/p"), Logged("c.example", "/")], stack)
