"""The option ``sites``: which object in Zope a host name shows.

    www.example.com = /Plone
    example.com/intranet = /intranet
    example.com -> www.example.com
    * = /Plone

HAProxy turns a request's path into VirtualHostMonster's form (Zope's documentation,
"Virtual Hosting"), so that ``absolute_url()`` is what the client asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zopestack.features import parsers
from zopestack.features.option import Feature, Refused, feature, option

ACCEPTED = (
    "lines like www.example.com = /Plone, example.com/intranet = /intranet, "
    "example.com -> www.example.com or * = /Plone"
)

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"{LABEL}(\.{LABEL})*(:[1-9][0-9]{{0,4}})?")

#: A path without anything that a URL or haproxy.cfg would need to quote.
PATH = re.compile(r"(/[A-Za-z0-9._~@+-]+)*")

#: Names that mean something to VirtualHostMonster, or lead out of a folder.
RESERVED = re.compile(r"/(VirtualHost(Base|Root)|_vh_.*|\.\.?)(?=/|$)")


@dataclass(frozen=True)
class Site:
    """A host name, or a part of it, and the object in Zope that it shows.

    :param host: in lower case, with a port where one was written; ``*`` for any other host.
    :param path: the sub-path of the host, ``/intranet``; empty for the whole host.
    :param root: the path in Zope without a slash at its end, ``/Plone``; empty for Zope's root.
    """

    host: str
    path: str
    root: str

    def in_zope(self, below: str = "") -> str:
        """Where in Zope its URLs begin, in VirtualHostMonster's form (Zope's documentation,
        "Virtual Hosting").

        :param below: a path below its root that is to be in no URL.
        """
        return f"{self.root}{below}/VirtualHostRoot{self.path.replace('/', '/_vh_')}"


@dataclass(frozen=True)
class Redirect:
    """A host name that only redirects to another one."""

    host: str
    target: str


def _lines(text: str) -> tuple[Site | Redirect, ...]:
    """The sites, those to be tried first in front, then the redirects."""
    found: list[Site] = []
    redirects: list[Redirect] = []
    for line in (line.strip() for line in text.splitlines()):
        if "->" in line:
            redirects.append(_redirect(line))
        elif line:
            found.append(_site(line))
    _check_once([site.host + site.path for site in found] + [each.host for each in redirects])
    for each in redirects:
        if hidden := next((site for site in found if site.host == each.host), None):
            raise ValueError(
                f"{ACCEPTED}; {each.host} redirects to {each.target}, so nobody would see "
                f"{hidden.host}{hidden.path}. Delete one"
            )
        if each.target in [other.host for other in redirects]:
            raise ValueError(f"{ACCEPTED}; {each.target} is itself redirected. Name the last host")
    found.sort(
        key=lambda site: (site.host == "*", ":" not in site.host, -len(site.path), site.host)
    )
    return (*found, *redirects)


def _site(line: str) -> Site:
    name, equals, root = (part.strip() for part in line.partition("="))
    host, slash, path = name.partition("/")
    host = host.lower()
    path = (slash + path).rstrip("/")
    if not equals or not root.startswith("/"):
        raise ValueError(f"{ACCEPTED}; {line!r} is not one")
    if host != "*":
        _check_host(host, line)
    elif path:
        raise ValueError(f"{ACCEPTED}; * has no sub-path in {line!r}")
    root = root.rstrip("/")
    for each in (path, root):
        if not PATH.fullmatch(each):
            raise ValueError(
                f"{ACCEPTED}; a path is letters, digits and . _ ~ @ + -, not {each!r} in {line!r}"
            )
        if RESERVED.search(each):
            raise ValueError(f"{ACCEPTED}; {each!r} in {line!r} has another meaning in Zope")
    return Site(host, path, root)


def _redirect(line: str) -> Redirect:
    host, target = (part.strip().lower() for part in line.split("->", 1))
    _check_host(host, line)
    _check_host(target, line)
    if host == target:
        raise ValueError(f"{ACCEPTED}; {line!r} redirects to itself")
    return Redirect(host, target)


def _check_host(host: str, line: str) -> None:
    if not HOST.fullmatch(host):
        raise ValueError(f"{ACCEPTED}; {host!r} in {line!r} is not a host name")
    if number := host.partition(":")[2]:
        try:
            parsers.port(number)
        except ValueError as why:
            raise ValueError(f"{ACCEPTED}; the port in {line!r} is {why}") from None


def _check_once(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{ACCEPTED}; {name} is given twice. Delete one")


def _health_path(text: str) -> str:
    """A path of its own, or nothing."""
    if text and (not PATH.fullmatch(text) or RESERVED.search(text)):
        raise ValueError("a path like /health, of letters, digits and . _ ~ @ + -, or nothing")
    if text.startswith("/.well-known/acme-challenge"):
        raise ValueError("a path that no certificate authority asks for, like /health")
    return text


@feature
class Sites(Feature):
    """Which host shows what."""

    sites: tuple[Site | Redirect, ...] = option(
        _lines,
        "",
        "Lines ``www.example.com = /Plone``, ``example.com/intranet = /intranet``, "
        "``example.com -> www.example.com``; ``* = /Plone`` for any other host, which "
        "gets 421 without it.",
    )

    health_path: str = option(
        _health_path,
        "",
        "A path such as ``/health`` that tells other balancers, for any host or none, whether the "
        "site serves: 200, or 503 while no instance does.",
    )

    def check(self) -> None:
        """Check that the health path hides no site.

        :raises Refused: where it does.
        """
        for site in self.shown:
            for path in (site.path, site.root):
                if path and f"{self.health_path}/".startswith(f"{path}/"):
                    raise Refused(
                        "health-path",
                        f"a path that belongs to no site; {path} does, by the line "
                        f"{site.host}{site.path} = {site.root or '/'}",
                    )

    @property
    def shown(self) -> tuple[Site, ...]:
        """The sites: the longest sub-paths of a host first, ``*`` last."""
        return tuple(each for each in self.sites if isinstance(each, Site))

    @property
    def redirects(self) -> tuple[Redirect, ...]:
        """The hosts that only redirect to another one."""
        return tuple(each for each in self.sites if isinstance(each, Redirect))

    @property
    def hosts(self) -> list[str]:
        """The host names that clients use, without ports."""
        named = {each.host for each in self.sites if each.host != "*"}
        return sorted({host.partition(":")[0] for host in named})
