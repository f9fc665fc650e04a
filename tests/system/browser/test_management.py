"""A manager at work in Zope's management interface, over https."""

from __future__ import annotations

import pytest

from tests.support.harness import Site
from tests.system.browser.chromium import Browser

#: Where else the interface leads: to what is written about Zope, and nowhere at all.
ELSEWHERE = ("https://www.zope.dev/", "https://zope.readthedocs.io/", "javascript:")

#: The two frames of the interface, and what leads on in them.
FRAMES = {"manage_menu": "a[href]", "manage_main": ".nav a[href]"}

#: Makes the browser forget the login.
LOGOUT = "manage_zmi_logout"

TEXT = """<html><head><title>Opening hours</title>
<link rel="icon" href="++resource++logo/favicon/favicon.ico"/></head><body>
<p tal:content="template/title">title</p>
<a tal:attributes="href template/absolute_url">This page</a>
</body></html>"""


@pytest.fixture
def manager(door: Site, browser: Browser) -> Browser:
    """Logged in, with the management interface of the root in front of them."""
    browser.log_in(f"http://zope.example:{door.ports.http}/manage", *door.admin)
    assert browser.find("frame[name=manage_main]")
    return browser


def test_a_page_template_is_added_edited_and_seen(door: Site, manager: Browser) -> None:
    origin = f"https://zope.example:{door.ports.spare}"
    with manager.frame("manage_main"):
        manager.choose("select[name=':action']", "Page Template")
        manager.find(".modal-body input[name=id]").send_keys("hours")
        manager.click(manager.find(".modal-body input[value='Add and Edit']"))
        assert manager.url == f"{origin}/hours/pt_editForm"
        manager.find("input[name=title]").send_keys("Open until 5")
        manager.paste(manager.find(".ace_text-input"), TEXT)
        manager.click(manager.find("input[name='pt_editAction:method']"))
        assert "Saved changes" in manager.find(".alert").text
    assert manager.errors() == []
    strayed = [x for x in manager.traffic() if not x.good or not x.url.startswith(f"{origin}/")]
    assert strayed == []
    assert door.stack.certificate
    with Browser(trusted=door.stack.certificate) as visitor:
        visitor.open(f"{origin}/hours")
        assert visitor.driver.title == "Opening hours"
        assert visitor.find("p").text == "Open until 5"
        visitor.follow("This page")
        assert visitor.url == f"{origin}/hours"
        assert [one for one in visitor.traffic() if not one.good] == []
        assert visitor.errors() == []


@pytest.mark.parametrize(
    "place",
    ["zope.example:{port}", "www.example.com:{port}", "example.org:{port}/intranet"],
)
def test_every_link_of_every_frame_stays_where_it_is(
    door: Site, manager: Browser, place: str
) -> None:
    home = f"https://{place.format(port=door.ports.spare)}"
    manager.log_in(f"{home}/manage", *door.admin)
    assert manager.errors() == []
    manager.traffic()
    for frame, url in _leads(manager):
        manager.open(f"{home}/manage")
        with manager.frame(frame):
            manager.follow_to(url)
            assert _strayed(manager, home) == []
    seen = manager.traffic()
    assert len(seen) > 20
    assert [one for one in seen if not one.good or not one.url.startswith(home)] == []
    assert manager.errors() == []


def test_without_a_login_there_is_nothing_to_manage(door: Site, browser: Browser) -> None:
    url = f"https://zope.example:{door.ports.spare}/manage_main"
    browser.open(url)
    assert [one.status for one in browser.traffic() if one.url == url] == [401]
    assert browser.all("form") == []


def _leads(manager: Browser) -> list[tuple[str, str]]:
    """Every frame with each link in it that stays in the interface."""
    found = []
    for frame, links in FRAMES.items():
        with manager.frame(frame):
            urls = {str(link.get_attribute("href")) for link in manager.all(links)}
        urls = {url.partition("#")[0] for url in urls}
        inside = {url for url in urls if not url.startswith(ELSEWHERE) and LOGOUT not in url}
        assert len(inside) > 3
        found += [(frame, url) for url in sorted(inside)]
    return found


def _strayed(manager: Browser, home: str) -> list[str]:
    """What the frame leads to or loads that is not below ``home``."""
    found = manager.links()
    assert found
    return [url for url in found if not url.startswith((home, *ELSEWHERE))]
