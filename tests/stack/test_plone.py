"""``eggs = Plone`` and nothing else changed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.stack.checkout import PATIENCE, Checkout

TITLE = "News, balanced"

#: What a person fills in on Plone's "create a new site" page, which sends it like this.
ANSWERS = {
    "site_id": "news",
    "title": TITLE,
    "default_language": "en",
    "portal_timezone": "UTC",
    "setup_content": True,
}


@pytest.mark.timeout(600)
def test_plone_site_is_added_and_served(make_checkout: Callable[..., Checkout]) -> None:
    site = make_checkout(eggs="Plone", instances=2)
    site.up("--timeout", str(int(PATIENCE)))
    assert "Welcome to Plone" in site.get("/").text
    added = site.request(
        "POST",
        "/@sites/classic",
        json.dumps(ANSWERS),
        {"Content-Type": "application/json", "Accept": "application/json"},
        login=site.admin,
    )
    assert added.status == 200, added.text
    for at in ("haproxy", "instance1", "instance2"):
        page = site.get("/news", at=at)
        assert page.status == 200
        assert TITLE in page.text
