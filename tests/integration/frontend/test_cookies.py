"""Cookies that are set over https are for https only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.door import Door
from tests.support.farm import Farm

#: Cookies as applications set them, and as a browser is given them over https.
COOKIES = {
    "__ac=abc; Path=/; HttpOnly; SameSite=Lax": "__ac=abc; Path=/; HttpOnly; SameSite=Lax; Secure",
    "a=1": "a=1; Secure",
    "b=2; Secure": "b=2; Secure",
    "c=3; secure; HttpOnly": "c=3; HttpOnly; Secure",
    "d=4;SECURE;Path=/": "d=4;Path=/; Secure",
    "e=Secure": "e=Secure; Secure",
    "f=6; Path=/secure": "f=6; Path=/secure; Secure",
    "secure=7; Path=/": "secure=7; Path=/; Secure",
    "g=; Max-Age=0; Expires=Wed, 31 Dec 1997 23:59:59 GMT": (
        "g=; Max-Age=0; Expires=Wed, 31 Dec 1997 23:59:59 GMT; Secure"
    ),
}

PAGE = "/cached?" + urlencode({"cookies:list": list(COOKIES), "control": "no-store"}, doseq=True)

PROXY = "127.0.0.8"


@pytest.fixture(scope="module")
def door(farm: Farm, program: Path) -> Iterator[Door]:
    running = farm.door(
        haproxy=program,
        tls_certificate="self-signed",
        http_redirect="off",
        trusted_proxies=PROXY,
        affinity="cookie",
    )
    running.set(https_address=f"127.0.0.1:{running.https}")
    with running:
        yield running


def given(door: Door, scheme: str = "http", **options: object) -> list[str]:
    """The cookies that a page sets; the last one is HAProxy's own."""
    answer = door.get(PAGE, {"X-Forwarded-Proto": scheme}, **options)
    return answer.headers.get_all("set-cookie")


def test_over_https_every_cookie_is_secure(door: Door) -> None:
    for options in ({"secure": True}, {"scheme": "https", "source": PROXY}):
        *cookies, own = given(door, **options)
        assert cookies == list(COOKIES.values())
        assert own in [
            f"ZOPESTACK={each.name}; Path=/; HttpOnly; SameSite=Lax; Secure"
            for each in door.stack.instances
        ]


def test_over_http_no_cookie_is_changed(door: Door) -> None:
    for options in ({}, {"source": PROXY}, {"scheme": "https", "source": "127.0.0.2"}):
        *cookies, own = given(door, **options)
        assert cookies == list(COOKIES)
        assert "Secure" not in own
