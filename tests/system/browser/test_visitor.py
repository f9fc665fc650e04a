"""A visitor without a login, in front of several sites of one Zope."""

from __future__ import annotations

import pytest

from tests.support.harness import Site
from tests.system.browser.chromium import Browser


@pytest.mark.parametrize(
    ("host", "path", "title"),
    [("www.example.com", "", "The shop"), ("example.org", "/intranet", "The intranet")],
)
def test_every_link_of_a_site_stays_on_it(
    door: Site, browser: Browser, host: str, path: str, title: str
) -> None:
    home = f"https://{host}:{door.ports.spare}{path}"
    browser.open(f"{home}/")
    assert browser.find("h1").text == title
    assert [link for link in browser.links() if not link.startswith(home)] == []
    for link in ("Beside", "Home", "From the root"):
        browser.follow(link)
        assert browser.url.startswith(home)
        assert browser.find("h1").text == title
    seen = browser.traffic()
    assert len(seen) > 4
    assert [one for one in seen if not one.good or not one.url.startswith(home)] == []
    assert browser.errors() == []
    assert browser.run("return document.images[0].naturalWidth") == 32


@pytest.mark.parametrize("host", ["www.example.com", "old.example.com"])
def test_http_and_the_old_name_lead_to_the_same_page_over_https(
    door: Site, browser: Browser, host: str
) -> None:
    browser.open(f"http://{host}:{door.ports.http}/page?a=1&b=%20")
    assert browser.url == f"https://www.example.com:{door.ports.spare}/page?a=1&b=%20"
    assert browser.find("h1").text == "The shop"
    # Once there, nothing goes back to http.
    browser.traffic()
    browser.follow("Home")
    assert {one.url.partition(":")[0] for one in browser.traffic()} == {"https"}


def test_a_host_without_a_site_is_told_so(door: Site, browser: Browser) -> None:
    url = f"https://other.example:{door.ports.spare}/"
    browser.open(url)
    assert [one.status for one in browser.traffic() if one.url == url] == [421]


def test_a_certificate_nobody_accepted_is_refused(door: Site) -> None:
    """So that the other tests show something: their browser trusts this one key."""
    url = f"https://www.example.com:{door.ports.spare}/"
    with Browser() as wary:
        wary.open(url)
        assert wary.driver.title == "Privacy error"
        failures = [one.failure for one in wary.traffic() if one.url == url]
        assert failures == ["net::ERR_CERT_AUTHORITY_INVALID"]
