"""A Plone site in a running deployment, made and filled through its REST API."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.support.harness import Site

#: The path of the site, and its title.
PATH, TITLE = "/news", "News, balanced"

#: What a person fills in on Plone's "create a new site" page, which sends it like this.
ANSWERS = {
    "site_id": PATH.strip("/"),
    "title": TITLE,
    "default_language": "en",
    "portal_timezone": "UTC",
    "setup_content": True,
}

JSON = {"Content-Type": "application/json", "Accept": "application/json"}

#: A picture of one pixel.
PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def create(site: Site) -> None:
    """Add a Plone site."""
    tell(site, "/@sites/classic", ANSWERS, 200)
    # plone.restapi is open to others than managers where it is installed in the site.
    tell(site, f"{PATH}/@addons/plone.restapi/install", {}, 204)


def tell(site: Site, path: str, content: Mapping[str, object], status: int) -> None:
    """POST to Plone's REST API, as a manager who is inside."""
    answer = site.request("POST", path, json.dumps(content), JSON, login=site.admin)
    assert answer.status == status, answer.text


def image(name: str) -> dict[str, object]:
    """The picture of one pixel as content to add."""
    held = {"data": PIXEL, "encoding": "base64", "filename": "p.gif", "content-type": "image/gif"}
    return {"@type": "Image", "id": name, "image": held}


def document(name: str, title: str) -> dict[str, object]:
    """A page as content to add."""
    return {"@type": "Document", "id": name, "title": title}
