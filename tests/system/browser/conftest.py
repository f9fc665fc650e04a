"""A browser, and sites for it to look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.harness import Site
from tests.system.browser.chromium import Browser

#: What each host name shows.
SITES = """
  zope.example = /
  www.example.com = /shop
  example.org/intranet = /intranet
  old.example.com -> www.example.com"""

PAGE = """<html><head><title tal:content="context/getId">id</title>
<link rel="icon" href="++resource++logo/favicon/favicon.ico"/></head><body>
<h1 tal:content="context/title">Title</h1>
<a tal:attributes="href context/absolute_url">Home</a>
<a href="page?from=beside">Beside</a>
<a tal:attributes="href context/absolute_url_path">From the root</a>
<img src="++resource++logo/favicon/favicon-32x32.png" alt="logo"/>
</body></html>"""


@pytest.fixture(scope="session")
def door() -> Iterator[Site]:
    """Zope's root and two folders as three hosts, over https; http leads there."""
    with Site(instances=2) as site:
        site.configure(
            sites=SITES,
            https_address=f"127.0.0.1:{site.ports.spare}",
            tls_certificate="self-signed",
        )
        site.start()
        for name, title in (("shop", "The shop"), ("intranet", "The intranet")):
            folder = {"id": name, "title": title}
            _manage(site, "/manage_addProduct/OFSP/manage_addFolder", folder)
            for page in ("index_html", "page"):
                template = {"id": page, "title": "", "text": PAGE}
                add = f"/{name}/manage_addProduct/PageTemplates/manage_addPageTemplate"
                _manage(site, add, template)
        yield site


@pytest.fixture
def browser(door: Site) -> Iterator[Browser]:
    """One that has accepted the self-signed certificate; nobody is logged in."""
    assert door.stack.certificate
    with Browser(trusted=door.stack.certificate) as started:
        yield started


def _manage(site: Site, path: str, fields: dict[str, str]) -> None:
    done = site.post(path, fields, at="instance1", login=site.admin)
    assert done.status < 400, done.text
