r"""HAProxy's map files: which object in Zope a URL shows, and which host redirects to another.

A map is read from the top, and the first pattern that matches counts; ``\1`` and ``\2`` in a
value stand for what the pattern's groups have matched (HAProxy's manual, "map_regm").
Patterns are extended regular expressions without anything of Perl's, since HAProxy may be
built with either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zopestack.features.sites import Redirect, Site
from zopestack.model import Stack


@dataclass(frozen=True)
class Entry:
    """A line of a map."""

    pattern: str
    value: str


def sites(stack: Stack) -> tuple[Entry, ...]:
    """From ``host[:port]/path`` to the path in Zope, the most special first.

    Without ``sites``, everything is Zope's root.
    """
    found = stack.sites.shown or (Site("*", "", ""),)
    return tuple(_site(site, stack.own_ports) for site in found)


def redirects(stack: Stack) -> tuple[Entry, ...]:
    """From ``host[:port]`` to the host, with its port, that it redirects to."""
    suffix = stack.tls.https_suffix if stack.tls.https_only else "\\1"
    return tuple(_redirect(each, suffix) for each in stack.sites.redirects)


def _site(site: Site, own_ports: tuple[int, ...]) -> Entry:
    if site.host == "*":
        return Entry("^([^/]*)(/.*)$", f"{site.in_zope}\\2")
    own = "|".join(f":{port}" for port in own_ports)
    rest = f"{_quoted(site.path)}((/.*)?)" if site.path else "(/.*)"
    return Entry(f"^{_host(site.host, f'({own})?')}{rest}$", f"{site.in_zope}\\2")


def _redirect(redirect: Redirect, suffix: str) -> Entry:
    target = redirect.target if ":" in redirect.target else f"{redirect.target}{suffix}"
    return Entry(f"^{_host(redirect.host, '(:[0-9]+)?')}$", target)


def _host(host: str, port: str) -> str:
    """A host's pattern with one group, its port.

    :param port: the group where the host is written without one.
    """
    name, colon, number = host.partition(":")
    # Letters of a host name are compared in lower case.
    return _quoted(name) + (f"(:{number})" if colon else port)


def _quoted(text: str) -> str:
    """All that a host or path may hold (``sites``) and that means more in a pattern."""
    return re.sub("[.+]", r"\\\g<0>", text)
