"""Volto, the front end of Plone, whose servers render the pages.

What is Plone's and what is Volto's follows Volto's own documentation ("Seamless mode") and its
server (``express-middleware``): it asks Plone for ``/++api++``, images, files, portraits and the
site's logo, and answers health checks at ``/ok``.
"""

from __future__ import annotations

from collections.abc import Iterable

from zopestack.features.address import Address
from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import optional_addresses

#: What begins the path of every request to Plone's REST API (plone.rest).
API = "/++api++"

#: Views of images and files, each with something behind it.
FILES = ("@@images", "@@download", "@@display-file", "@@site-logo", "@portrait")

#: Where a server of Volto says that it runs (setting ``okRoute``).
HEALTH = "/ok"

#: The cookie in which Volto keeps the token of who is logged in; Plone wants it in a header.
TOKEN = "auth_token"  # noqa: S105


@feature
class Volto(Feature):
    """Who renders the pages."""

    volto_address: tuple[Address, ...] = option(
        optional_addresses,
        "",
        "Addresses of Volto's servers, such as ``127.0.0.1:3000``. They get the requests for "
        "pages; ``/++api++``, images and files stay Plone's. See :doc:`/howto/volto`.",
    )

    @property
    def path_of_plone(self) -> str:
        """A path that Plone answers, with whatever status, whether Volto runs or not."""
        return API if self.volto_address else "/"

    def check(self) -> None:
        """Check that HAProxy can connect to each address.

        :raises Refused: where one stands for every network.
        """
        for address in self.volto_address:
            if address.wildcard:
                raise Refused("volto-address", f"where HAProxy reaches it, not {address}")

    def check_sites(self, roots: Iterable[str]) -> None:
        """Check that a site has pages that Volto may render.

        :param roots: the paths in Zope that ``sites`` shows.
        :raises Refused: where all are Zope's root, which has no REST API.
        """
        if self.volto_address and not any(roots):
            raise Refused("volto-address", "a line of sites with a Plone site, such as * = /Plone")
