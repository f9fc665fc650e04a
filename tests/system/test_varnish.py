"""Plone as it is, with its own rules for caches, and Varnish: what is saved is seen at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest

from tests.support.checkout import PATIENCE, Checkout
from tests.support.fetch import Response, fetch
from tests.support.plone import JSON, create, document, tell
from tests.support.polling import until

#: The first of them installs Plone.
pytestmark = pytest.mark.timeout(900)

HOST = "www.example.com"

#: The tests reach Zope's root by its address, and visitors the site by its name.
SITES = f"127.0.0.1 = /\n    {HOST} = /news\n    www.example.org/in = /news"

#: What a person does in Plone's control panel "Caching".
SETTINGS = """
import transaction
from plone.cachepurging.interfaces import ICachePurgingSettings
from plone.registry.interfaces import IRegistry
from zope.component import getUtility
from zope.component.hooks import setSite

site = app.news
setSite(site)
for profile in ("default", "with-caching-proxy"):
    site.portal_setup.runAllImportStepsFromProfile(f"profile-plone.app.caching:{{profile}}")
registry = getUtility(IRegistry)
registry["plone.caching.interfaces.ICacheSettings.enabled"] = True
operations = registry["plone.caching.interfaces.ICacheSettings.operationMapping"]
operations["plone.content.itemView"] = "plone.app.caching.moderateCaching"
registry["plone.caching.interfaces.ICacheSettings.operationMapping"] = operations
purged = "plone.app.caching.interfaces.IPloneCacheSettings.purgedContentTypes"
registry[purged] = (*registry[purged], "Document")
purging = registry.forInterface(ICachePurgingSettings)
purging.enabled = True
purging.cachingProxies = ("http://{address}",)
purging.virtualHosting = {virtual_hosting}
transaction.commit()
"""


_changes = itertools.count(1)


@pytest.fixture(scope="module")
def plone() -> Iterator[Checkout]:
    with Checkout(eggs="Plone", instances=2, varnish="front", sites=SITES) as running:
        running.set(requests_per_address="off")
        running.configure()
        running.script("up", "--timeout", str(int(PATIENCE)))
        create(running)
        for name in ("page", "private"):
            tell(running, "/news", document(name, f"First {name}"), 201)
        tell(running, "/news/page/@workflow/publish", {}, 200)
        yield running


@pytest.fixture(scope="module", params=[False, True], ids=["paths", "virtual-hosting"])
def caching(plone: Checkout, request: pytest.FixtureRequest) -> Checkout:
    """With each way in which Plone names what it purges."""
    settings = {"address": plone.stack.varnish.varnish_address, "virtual_hosting": request.param}
    plone.run_in_zope(SETTINGS.format(**settings))
    return plone


def visit(plone: Checkout, path: str = "/page", host: str = HOST) -> Response:
    # Not from this machine itself, whose requests count as those of who saves something.
    headers = {"Host": host}
    return fetch(plone.address("haproxy"), path, headers=headers, source="127.0.0.2")


def wait_kept(plone: Checkout, path: str = "/page", host: str = HOST) -> Response:
    """The page, once it comes from Varnish."""
    return until(
        f"{path} to be kept",
        lambda: visit(plone, path, host),
        lambda page: page.headers["age"] not in (None, "0"),
    )


def rename(plone: Checkout, title: str, at: str = "haproxy") -> None:
    host = {"Host": HOST} if at == "haproxy" else {}
    path = "/page" if at == "haproxy" else "/news/page"
    body = json.dumps({"title": title})
    answer = plone.request("PATCH", path, body, {**JSON, **host}, at, plone.admin)
    assert answer.status == 204, answer.text


@pytest.mark.parametrize("at", ["haproxy", "instance1"])
def test_what_somebody_saves_is_seen_at_once(caching: Checkout, at: str) -> None:
    """Plone's rule keeps the page for a day otherwise."""
    places = [("/page", HOST), ("/in/page", "www.example.org")]
    before = [wait_kept(caching, *place) for place in places]
    assert all("s-maxage=86400" in page.headers["cache-control"] for page in before)
    title = f"Changed {next(_changes)} times"
    rename(caching, title, at)
    for place in places:
        until("the new title", lambda p=place: visit(caching, *p).text, lambda text: title in text)
        wait_kept(caching, *place)


def test_what_is_private_is_shown_to_nobody_else(caching: Checkout) -> None:
    own = caching.request("GET", "/private", None, {"Host": HOST}, login=caching.admin)
    assert "First private" in own.text
    for path in ("/private", "/private?x"):
        assert "First private" not in visit(caching, path).text


def test_a_page_and_its_json_are_two(caching: Checkout) -> None:
    page = wait_kept(caching)
    headers = {"Host": HOST, "Accept": "application/json"}
    told = fetch(caching.address("haproxy"), "/page", headers=headers, source="127.0.0.2")
    assert json.loads(told.text)["@type"] == "Document"
    assert visit(caching).headers["content-type"] == page.headers["content-type"]
