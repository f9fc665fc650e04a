"""Parsers for the options of the front door; see ``values`` for what a parser is."""

from __future__ import annotations

import ipaddress
import re
from itertools import combinations
from pathlib import Path

from zopestack import values
from zopestack.address import Address
from zopestack.frontend.model import Acme

#: What stands for a certificate that zopestack makes itself.
SELF_SIGNED = "self-signed"

AFFINITIES = ("none", "cookie", "authenticated", "path")

#: HAProxy takes at most 4095 MB for a cache (its manual, "total-max-size").
MAX_CACHE = 4095


def switch(text: str) -> bool:
    """``on`` or ``off``."""
    if text not in ("on", "off"):
        raise ValueError("on or off")
    return text == "on"


def count(text: str) -> int:
    """How many; 0 stands for ``off``."""
    if text == "off":
        return 0
    try:
        return values.whole_number(text, 1, 1_000_000)
    except ValueError as accepted:
        raise ValueError(f"{accepted}, or off") from None


def callbacks(text: str) -> int:
    """The number of instances of the callback lane."""
    return values.whole_number(text, 0, values.MAX_INSTANCES)


def days(text: str) -> int:
    """Seconds of a number of days, or 0 for ``off``."""
    if text == "off":
        return 0
    found = re.fullmatch(r"([1-9][0-9]{0,3})d", text)
    if not found:
        raise ValueError("a number of days like 365d, or off")
    return int(found[1]) * 86400


def size(text: str) -> int:
    """A number of bytes as ``500kB``, ``100MB`` or ``2GB``."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})(kB|MB|GB)", text)
    if not found:
        raise ValueError("a size like 500kB, 100MB or 2GB")
    return int(found[1]) << {"kB": 10, "MB": 20, "GB": 30}[found[2]]


def optional_size(text: str) -> int:
    """The same, or 0 for ``off``."""
    if text == "off":
        return 0
    try:
        return size(text)
    except ValueError as accepted:
        raise ValueError(f"{accepted}, or off") from None


def cache(text: str) -> int:
    """Megabytes of a cache, or 0 for ``off``."""
    if text == "off":
        return 0
    accepted = f"a size from 1MB to {MAX_CACHE}MB, or off"
    found = re.fullmatch(r"([1-9][0-9]{0,3})MB", text)
    if not found or int(found[1]) > MAX_CACHE:
        raise ValueError(accepted)
    return int(found[1])


def optional_address(text: str) -> Address | None:
    """An address, or nothing."""
    return values.address(text) if text else None


def certificate(text: str) -> Path | str | None:
    """A file or directory, :data:`SELF_SIGNED`, or nothing."""
    return text if text == SELF_SIGNED else values.optional_path(text)


def acme(text: str) -> Acme | None:
    """A port on loopback or a directory, or nothing."""
    if not text:
        return None
    if text.isdigit():
        return Acme(address=Address("127.0.0.1", values.port(text)))
    return Acme(directory=values.path(text))


def networks(text: str) -> tuple[str, ...]:
    """IP addresses and networks, none inside another."""
    given = []
    for word in text.split():
        try:
            given.append(ipaddress.ip_network(word))
        except ValueError as why:
            accepted = "networks like 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32"
            raise ValueError(f"{accepted}; {why}") from None
    for one, other in combinations(given, 2):
        if one.version == other.version and one.overlaps(other):
            raise ValueError(f"networks that do not overlap; {one} and {other} do. Delete one")
    return tuple(str(network) for network in given)


def methods(text: str) -> tuple[str, ...]:
    """Request methods."""
    given = tuple(text.split())
    for word in given:
        if not re.fullmatch(r"[A-Z]{1,20}", word):
            raise ValueError(f"request methods in capitals, like GET and POST; {word!r} is none")
    if "GET" not in given:
        raise ValueError("request methods, GET among them")
    return given


def affinity(text: str) -> str:
    """A kind of affinity."""
    if text not in AFFINITIES:
        raise ValueError(f"{', '.join(AFFINITIES[:-1])} or {AFFINITIES[-1]}")
    return text
