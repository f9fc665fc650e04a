r"""HAProxy's map files: which object in Zope a URL shows, and which host redirects to another.

A map is read from the top, and the first pattern that matches counts; ``\1`` and ``\2`` in a
value stand for what the pattern's groups have matched (HAProxy's manual, "map_regm").
Patterns are extended regular expressions without anything of Perl's, since HAProxy may be
built with either.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from zopestack.features.affinity import HASHED
from zopestack.features.lanes import Lane
from zopestack.features.sites import Redirect, Site
from zopestack.features.volto import API, FILES
from zopestack.model import Stack

#: Hashes that are told apart. Shares of instances differ by a few percent.
BUCKETS = 1024


#: Paths of images and files of Plone, which Volto asks the REST API for.
OF_FILES = f"/(.*/)?({'|'.join(FILES)})/.*"


@dataclass(frozen=True)
class Entry:
    """A line of a map."""

    pattern: str
    value: str


def sites(stack: Stack) -> tuple[Entry, ...]:
    """From ``host[:port]/path`` to the path in Zope, the most special first.

    Without ``sites``, everything is Zope's root. With Volto, what is the REST API's comes before
    the rest of a Plone site.
    """
    found = stack.sites.shown or (Site("*", "", ""),)
    of_api = (f"{_quoted(API)}((/.*)?)", f"({OF_FILES})") if stack.volto.volto_address else ()
    return tuple(
        entry
        for site in found
        for entry in (
            *(_site(site, stack.own_ports, rest, API) for rest in of_api if site.root),
            _site(site, stack.own_ports),
        )
    )


def redirects(stack: Stack) -> tuple[Entry, ...]:
    """From ``host[:port]`` to the host, with its port, that it redirects to."""
    suffix = stack.tls.https_suffix if stack.tls.https_only else "\\1"
    return tuple(_redirect(each, suffix) for each in stack.sites.redirects)


def preferred(stack: Stack) -> tuple[Entry, ...]:
    """From a hash to the instance that it prefers in each lane; nothing unless an option asks.

    A bucket belongs to the instance with the highest score for it (rendezvous hashing, Thaler and
    Ravishankar 1998). So one more than N instances takes 1/(N+1) of the buckets, evenly from all,
    and no other bucket moves.
    """
    if stack.affinity.affinity not in HASHED:
        return ()
    return tuple(
        Entry(str(_first_key(stack, lane) + bucket), max(names, key=lambda x: _score(x, bucket)))
        for lane in stack.visited
        for names in [[instance.server for instance in stack.lane(lane.name)]]
        for bucket in range(BUCKETS)
    )


def preferred_key(stack: Stack, lane: Lane) -> str:
    """From a text to the key of an entry of :func:`preferred`, in HAProxy's converters."""
    first = _first_key(stack, lane)
    return f"crc32(1),mod({BUCKETS})" + (f",add({first})" if first else "")


def _first_key(stack: Stack, lane: Lane) -> int:
    return BUCKETS * stack.visited.index(lane)


def _score(name: str, bucket: int) -> bytes:
    return hashlib.sha256(f"{name} {bucket}".encode()).digest()


def _site(site: Site, own_ports: tuple[int, ...], rest: str = "", below: str = "") -> Entry:
    """A site's entry.

    :param rest: a pattern of its paths, with a group of what stays of them; by default of all.
    :param below: see :meth:`Site.in_zope`.
    """
    rest = rest or ("((/.*)?)" if site.path else "(/.*)")
    own = "|".join(f":{port}" for port in own_ports)
    host = "([^/]*)" if site.host == "*" else _host(site.host, f"({own})?")
    return Entry(f"^{host}{_quoted(site.path)}{rest}$", f"{site.in_zope(below)}\\2")


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
