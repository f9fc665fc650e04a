"""The option ``sites``: which object in Zope a host name shows.

    www.example.com = /Plone
    example.com/intranet = /intranet
    example.com -> www.example.com
    * = /Plone

HAProxy turns a request's path into VirtualHostMonster's form (Zope's documentation,
"Virtual Hosting"), so that ``absolute_url()`` is what the visitor typed.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator

from zopestack import values
from zopestack.address import Address
from zopestack.frontend.model import Redirect, Site

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

#: Seconds an instance gets to say whether a site is there.
PATIENCE = 10


def sites(text: str) -> tuple[tuple[Site, ...], tuple[Redirect, ...]]:
    """The sites, those to be tried first in front, and the redirects."""
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
                f"{ACCEPTED}; {each.host} leads to {each.target}, so nobody would see "
                f"{hidden.host}{hidden.path}. Delete one"
            )
        if each.target in [other.host for other in redirects]:
            raise ValueError(f"{ACCEPTED}; {each.target} itself leads on. Name the last host")
    found.sort(
        key=lambda site: (site.host == "*", ":" not in site.host, -len(site.path), site.host)
    )
    return tuple(found), tuple(redirects)


def missing(found: tuple[Site, ...], instance: Address) -> Iterator[Site]:
    """The sites whose object an instance does not find.

    :raises OSError: where the instance does not answer.
    """
    for site in found:
        connection = http.client.HTTPConnection(instance.host, instance.port, timeout=PATIENCE)
        try:
            connection.request("HEAD", site.root or "/")
            if connection.getresponse().status == http.HTTPStatus.NOT_FOUND:
                yield site
        except http.client.HTTPException as why:
            raise OSError(str(why)) from why
        finally:
            connection.close()


def _site(line: str) -> Site:
    name, equals, root = (part.strip() for part in line.partition("="))
    host, slash, path = name.partition("/")
    host = host.lower()
    path = (slash + path).rstrip("/")
    if not equals or not root.startswith("/"):
        raise ValueError(f"{ACCEPTED}; {line!r} is none")
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
            raise ValueError(f"{ACCEPTED}; {each!r} in {line!r} means something else to Zope")
    return Site(host, path, root)


def _redirect(line: str) -> Redirect:
    host, target = (part.strip().lower() for part in line.split("->", 1))
    _check_host(host, line)
    _check_host(target, line)
    if host == target:
        raise ValueError(f"{ACCEPTED}; {line!r} leads to itself")
    return Redirect(host, target)


def _check_host(host: str, line: str) -> None:
    if not HOST.fullmatch(host):
        raise ValueError(f"{ACCEPTED}; {host!r} in {line!r} is no host name")
    if number := host.partition(":")[2]:
        try:
            values.port(number)
        except ValueError as why:
            raise ValueError(f"{ACCEPTED}; the port in {line!r} is {why}") from None


def _check_once(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{ACCEPTED}; {name} is there twice. Delete one")
