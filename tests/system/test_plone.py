"""``eggs = Plone`` and nothing else changed but what the tests look through."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest

from tests.support.checkout import PATIENCE, Checkout
from tests.support.farm import PRODUCT
from tests.support.fetch import fetch
from tests.support.plone import JSON, PIXEL, TITLE, create, image, tell
from tests.support.polling import until
from tests.support.volto import running as volto
from tests.support.ways import FORM, Request, Visitor, kept_in, let_through, listed
from zopestack.features.address import Address

#: The first of them installs Plone.
pytestmark = pytest.mark.timeout(900)

#: A view that lists all others, and what Zope has off by default.
SECTIONS = f"""
[instance]
extra-paths = {PRODUCT}
zope-conf-additional = enable-xmlrpc on
zcml-additional =
    <configure xmlns="http://namespaces.zope.org/zope">
      <include package="frontend_pages" />
    </configure>
"""

#: The tests' requests come from this machine itself.
INSIDE, OUTSIDE = "127.0.0.1", "127.0.0.2"

#: Who sets up and edits a site without being a manager of Zope.
EDITOR = ("editor", "Correct.Horse.7")

#: What such a person sees, and a visitor who is not logged in.
EDITING = (
    "folder_contents", "edit", "++add++Document", "sharing", "@@historyview", "@@manage-portlets",
    "@@overview-controlpanel", "@@site-controlpanel", "@@usergroup-userprefs",
    "@@mail-controlpanel", "@@theming-controlpanel", "@@personal-information",
)  # fmt: skip
VISITING = ("", "login", "sitemap", "@@search", "contact-info")


@pytest.fixture(scope="module")
def plone() -> Iterator[Checkout]:
    """A Plone with a site, by the steps of README.rst."""
    options = {"tls_certificate": "self-signed", "http_redirect": "off"}
    with Checkout(eggs="Plone", instances=2, admin_networks=INSIDE, **options) as running:
        running.set(requests_per_address="off", https_address=f"127.0.0.1:{running.ports.spare}")
        running.configure(SECTIONS)
        running.script("up", "--timeout", str(int(PATIENCE)))
        create(running)
        yield running


def test_plone_site_is_added_and_served(plone: Checkout) -> None:
    assert "Welcome to Plone" in plone.get("/").text
    for at in ("haproxy", "instance1", "instance2"):
        page = plone.get("/news", at=at)
        assert page.status == 200
        assert TITLE in page.text


def test_nobody_outside_reaches_the_management_interface(plone: Checkout) -> None:
    managing, rest = listed(plone.address("instance1"))
    assert {view.place for view in managing} >= {"/news", "/news/portal_setup", "/acl_users"}
    door = plone.address("haproxy")
    assert kept_in(door, managing, INSIDE, OUTSIDE, plone.admin) > 2 * len(managing)
    assert let_through(door, rest, INSIDE, OUTSIDE) == {}


def test_a_site_is_edited_and_set_up_from_outside(plone: Checkout) -> None:
    name, password = EDITOR
    user = {"username": name, "password": password, "email": "editor@example.com"}
    tell(plone, "/news/@users", {**user, "roles": ["Member", "Site Administrator"]}, 201)
    outsider = Visitor(plone.address("haproxy"), OUTSIDE)

    def asked(path: str, method: str = "GET", **content: str) -> int:
        body = json.dumps(content).encode() if content else None
        headers = JSON if "@" in path[:7] or content else {}
        return outsider.ask(Request(f"/news/{path}", method, body, headers).by(EDITOR)).status

    assert {path: asked(path) for path in EDITING} == dict.fromkeys(EDITING, 200)
    assert asked("logout") == 302
    assert asked("", "POST", **{"@type": "Document", "id": "written", "title": "Written"}) == 201
    assert asked("news", "PATCH", title="Changed") == 204
    visited = {path: outsider.ask(Request(f"/news/{path}")).status for path in VISITING}
    assert visited == dict.fromkeys(VISITING, 200)


def test_an_upload_in_pieces_goes_through_any_instance(plone: Checkout) -> None:
    """By plone.restapi's TUS: each piece is a request, and HAProxy sends it anywhere."""
    named = "filename aGVsbG8udHh0,content-type dGV4dC9wbGFpbg=="
    tus = {**JSON, "Tus-Resumable": "1.0.0"}
    sent = {**tus, "Upload-Length": "6", "Upload-Metadata": named}
    begun = plone.request("POST", "/news/@tus-upload", "", sent, "instance1", plone.admin)
    assert begun.status == 201, begun.text
    place = urlsplit(begun.headers["location"]).path
    for offset, piece, at in ((0, "abc", "instance2"), (3, "def", "instance1")):
        kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        answer = plone.request("PATCH", place, piece, {**tus, **kind}, at, plone.admin)
        assert answer.status == 204, answer.text
    # The last piece makes the content.
    assert answer.headers["location"]


def test_a_login_over_https_is_never_sent_over_http(plone: Checkout) -> None:
    name, password = "author", EDITOR[1]
    user = {"username": name, "password": password, "email": "author@example.com"}
    tell(plone, "/news/@users", {**user, "roles": ["Member", "Contributor"]}, 201)
    login = {"__ac_name": name, "__ac_password": password, "buttons.login": "Log in"}
    https = Address("127.0.0.1", plone.ports.spare)
    for address, secure in ((https, True), (plone.address("haproxy"), False)):
        answer = fetch(
            address, "/news/login", "POST", urlencode(login), {**FORM, "Host": "localhost"},
            secure=secure,
        )  # fmt: skip
        (cookie,) = [one for one in answer.headers.get_all("set-cookie") if "__ac=" in one]
        assert ("; Secure" in cookie, "; HttpOnly" in cookie) == (secure, True)
        session = {"Cookie": cookie.partition(";")[0], "Host": "localhost"}
        page = fetch(address, "/news/++add++Document", headers=session, secure=secure)
        assert page.status == 200


def test_a_private_page_is_not_the_management_interface(plone: Checkout) -> None:
    page = {"@type": "Document", "id": "internal", "title": "Internal"}
    tell(plone, "/news", page, 201)
    view = {"permission_to_manage": "View", "roles:list": "Manager"}
    change = Request("/news/internal/manage_permission", "POST", urlencode(view).encode(), FORM)
    insider = Visitor(plone.address("haproxy"), INSIDE)
    outsider = Visitor(plone.address("haproxy"), OUTSIDE)
    ask = Request("/news/internal")
    # An instance sees a little later what another one has written.
    until("it to be there", lambda: insider.ask(change.by(plone.admin)).status, lambda s: s < 400)
    until("it to be private", lambda: outsider.ask(ask).status, lambda status: status == 302)
    assert outsider.ask(ask.by(plone.admin)).status == 200


def test_volto_renders_pages_and_plone_answers_the_rest(plone: Checkout) -> None:
    """Last."""
    tell(plone, "/news", {"@type": "Folder", "id": "private", "title": "Private"}, 201)
    tell(plone, "/news/private", image("picture"), 201)
    with volto() as server:
        plone.set(volto_address=f"127.0.0.1:{server.server_port}", sites="* = /news")
        plone.configure(SECTIONS)
        # With the checkout's own Python, into which Plone has been installed.
        plone.script("up", "--timeout", str(int(PATIENCE)))
        until(
            "Volto to answer", lambda: plone.get("/private").text, lambda x: x.startswith("volto")
        )
        # Its URLs are the site's, of which the REST API is no part.
        site = json.loads(plone.get("/++api++", login=plone.admin).text)
        assert urlsplit(site["@id"]).path in ("", "/")
        assert {urlsplit(each["@id"]).path for each in site["items"]} >= {"/private"}
        name, password = plone.admin
        login = json.dumps({"login": name, "password": password})
        answer = plone.request("POST", "/++api++/@login", login, JSON)
        assert answer.status == 200, answer.text
        session = {"Cookie": f"auth_token={json.loads(answer.text)['token']}"}
        picture = "/private/picture/@@images/image"
        assert plone.request("GET", picture, None, {}).status == 401
        assert plone.request("GET", picture, None, session).body == b64decode(PIXEL)
