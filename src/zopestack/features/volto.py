"""Volto, the front end of Plone, whose servers render the pages.

What is Plone's and what is Volto's follows Volto's own documentation ("Seamless mode") and its
server (``express-middleware``): it asks Plone for ``/++api++``, images, files, portraits and the
site's logo, and answers health checks at ``/ok``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from zopestack.features.address import Address
from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import addresses
from zopestack.features.program_lines import NAME
from zopestack.features.unknown_name import nearest

#: What begins the path of every request to Plone's REST API (plone.rest).
API = "/++api++"

#: Views of images and files, each with something behind it.
FILES = ("@@images", "@@download", "@@display-file", "@@site-logo", "@portrait")

#: Where a server of Volto says that it runs (setting ``okRoute``).
HEALTH = "/ok"

#: The cookie in which Volto keeps the token of who is logged in; Plone wants it in a header.
TOKEN = "auth_token"  # noqa: S105


#: HAProxy's backend of these servers.
BACKEND = "volto"


@dataclass(frozen=True)
class Server:
    """One of Volto's servers.

    :param name: what HAProxy calls it: the program, or its place among the addresses.
    :param program: the program of ``[supervisor]`` that it is; empty for one that supervisord
        does not run.
    """

    name: str
    address: Address
    program: str


def _servers(text: str) -> tuple[Server, ...]:
    """Addresses, each with the program that answers there, or without."""
    words: list[list[str]] = []
    for word in text.split():
        if words and len(words[-1]) == 1 and NAME.fullmatch(word) and not word.isdigit():
            words[-1].append(word)
        else:
            words.append([word])
    found = addresses(" ".join(each[0] for each in words)) if words else ()
    programs = ("".join(each[1:]) for each in words)
    return tuple(
        Server(program or f"{BACKEND}{number}", address, program)
        for number, (address, program) in enumerate(zip(found, programs, strict=True), 1)
    )


@feature
class Volto(Feature):
    """Who renders the pages."""

    volto_address: tuple[Server, ...] = option(
        _servers,
        "",
        "Addresses of Volto's servers, such as ``127.0.0.1:3000``. They get the requests for "
        "pages; ``/++api++``, images and files stay Plone's. After the address of one that is a "
        "program of ``[supervisor]`` write its name, and ``roll`` and ``update`` restart it "
        "without losing a request. See :doc:`/howto/volto`.",
    )

    @property
    def path_of_plone(self) -> str:
        """A path that Plone answers, with whatever status, whether Volto runs or not."""
        return API if self.volto_address else "/"

    @property
    def own(self) -> tuple[Server, ...]:
        """Those that are programs of the same supervisord."""
        return tuple(each for each in self.volto_address if each.program)

    def check(self) -> None:
        """Check that HAProxy can connect to each address, and that no two have one name.

        :raises Refused: for the first that is not so.
        """
        named: set[str] = set()
        for server in self.volto_address:
            if server.address.wildcard:
                raise Refused("volto-address", f"where HAProxy reaches it, not {server.address}")
            if server.name in named:
                raise Refused("volto-address", f"each name once, not {server.name} again")
            named.add(server.name)

    def check_programs(self, programs: Collection[str]) -> None:
        """Check that supervisord runs the programs that are named.

        :param programs: the names in ``[supervisor] programs``.
        :raises Refused: for the first that it does not run.
        """
        for server in self.own:
            if server.program not in programs:
                hint = nearest(server.program, programs) if programs else "there are none"
                raise Refused(
                    "volto-address",
                    f"the name of one of [supervisor] programs after {server.address}; {hint}",
                )

    def check_sites(self, roots: Iterable[str]) -> None:
        """Check that a site has pages that Volto may render.

        :param roots: the paths in Zope that ``sites`` shows.
        :raises Refused: where all are Zope's root, which has no REST API.
        """
        if self.volto_address and not any(roots):
            raise Refused("volto-address", "a line of sites with a Plone site, such as * = /Plone")
