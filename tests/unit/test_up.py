from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import describe
from zopestack.supervisor import up

TLS = {"https-address": "*:443", "tls-certificate": "self-signed"}


@pytest.mark.parametrize(
    ("options", "urls", "management"),
    [
        ({}, ["http://127.0.0.1:8080/"], "http://127.0.0.1:8080/manage_main"),
        ({"http-address": "*:80"}, ["http://127.0.0.1/"], "http://127.0.0.1/manage_main"),
        ({"http-address": "[::]:80"}, ["http://[::1]/"], "http://[::1]/manage_main"),
        (TLS, ["https://127.0.0.1/"], "https://127.0.0.1/manage_main"),
        (
            {"sites": "a.example = /Plone\n* = /"},
            ["http://a.example:8080/  shows /Plone", "http://127.0.0.1:8080/  shows /"],
            "http://127.0.0.1:8080/manage_main",
        ),
        (
            {**TLS, "sites": "a.example/b = /Plone\nc.example:8443 = /c"},
            ["https://a.example/b/  shows /Plone", "https://c.example:8443/  shows /c"],
            "http://127.0.0.1:8081/manage_main",
        ),
    ],
)
def test_summary_says_where_things_are(
    home: Path, options: dict[str, str], urls: list[str], management: str
) -> None:
    stack = describe.read(home, options)
    assert sorted(up.urls(stack)) == sorted(urls)
    said = up.summary(stack)
    assert f"management   {management}\n" in said
    assert all(f"site         {url}\n" in said for url in urls)
    assert str(stack.password_file) in said


@pytest.mark.parametrize(
    ("options", "sections", "layout"),
    [
        ({"instances": "1", "threads": "2"}, {}, "1 instance with 2 threads"),
        ({"instances": "2", "threads": "1"}, {}, "2 instances with 1 thread each"),
        ({"instances": "3", "threads": "2"}, {}, "3 instances with 2 threads each"),
        (
            {"instances": "2", "threads": "1"},
            {"instance2": {"threads": "3"}},
            "2 instances with 4 threads in total",
        ),
    ],
)
def test_summary_counts_threads(
    home: Path, options: dict[str, str], sections: dict[str, dict[str, str]], layout: str
) -> None:
    said = up.summary(describe.read(home, options, sections))
    assert f"The stack is up: {layout} behind HAProxy.\n" in said
