"""What real Zope takes for its own URL behind the front door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fetch import Response, fetch
from tests.support.harness import Site
from zopestack.features.address import Address

PAGE = """<a tal:attributes="href template/absolute_url">
<span tal:content="request/URL"></span> <i tal:content="request/BASE1"></i></a>"""

SITES = """
  www.example.com = /Plone
  example.org/intranet = /Plone/intranet
  * = /"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One instance behind http and https, with /Plone/intranet/page in its database."""
    with Site(instances=1) as running:
        https = running.ports.spare
        running.configure(
            sites=SITES,
            https_address=f"127.0.0.1:{https}",
            tls_certificate="self-signed",
            http_redirect="off",
            admin_networks="127.0.0.1",
        )
        running.start()
        add = "manage_addProduct/OFSP/manage_addFolder"
        for where, name in (("", "Plone"), ("/Plone", "intranet")):
            folder = {"id": name, "title": ""}
            running.post(f"{where}/{add}", folder, at="instance1", login=running.admin)
        page = {"id": "page", "title": "", "text": PAGE}
        for where in ("/Plone", "/Plone/intranet"):
            add = f"{where}/manage_addProduct/PageTemplates/manage_addPageTemplate"
            running.post(add, page, at="instance1", login=running.admin)
        yield running


def ask(site: Site, host: str, path: str, secure: bool) -> Response:
    """GET a page of a site by its host name."""
    port = site.ports.spare if secure else site.ports.http
    return fetch(Address("127.0.0.1", port), path, headers={"Host": host}, secure=secure)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("ported", [False, True], ids=["standard port", "own port"])
@pytest.mark.parametrize(
    ("name", "path", "url"),
    [
        ("www.example.com", "/page", "/page"),
        ("www.example.com", "/intranet/page", "/intranet/page"),
        ("example.org", "/intranet/page", "/intranet/page"),
        ("whatever.example", "/Plone/page", "/Plone/page"),
    ],
)
def test_absolute_url_is_what_the_visitor_typed(
    site: Site, name: str, path: str, url: str, secure: bool, ported: bool
) -> None:
    port = site.ports.spare if secure else site.ports.http
    host = f"{name}:{port}" if ported else name
    answer = ask(site, host, path, secure)
    assert answer.status == 200
    scheme = "https" if secure else "http"
    assert f'href="{scheme}://{host}{url}"' in answer.text
    assert f"<span>{scheme}://{host}{url}</span>" in answer.text


def test_the_management_interface_answers_under_a_sub_path(site: Site) -> None:
    answer = ask(site, "example.org", "/intranet/manage_zmi_logout", True)
    assert answer.status == 401


def test_a_site_that_is_not_there_is_a_warning(site: Site) -> None:
    site.configure(sites=f"{SITES}\n  gone.example = /Nowhere")
    said = site.buildout().stdout
    assert "gone.example shows /Nowhere, which is not in the database" in said
    assert "www.example.com" not in said
