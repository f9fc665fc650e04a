"""From the text of an option to a value: one small parser for each kind of value.

A parser takes the option's text, stripped, and returns the value. Its ``ValueError`` says what
is expected; the reader of the configuration adds where and what was given.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from itertools import combinations
from pathlib import Path

from zopestack.features.address import Address

MAX_PORT = 65535

# What no generated file could hold without quoting rules of its own: white space ends
# a word in haproxy.cfg and in a script's first line, `%` and `$` start an expansion in
# supervisord.conf and zope.conf, `,` and `:` separate HAProxy's addresses and the entries of
# PYTHONPATH, the rest are quotes, comments and escapes, and bytes that are not UTF-8.
UNSAFE_IN_PATH = re.compile(r"[\s\x00-\x1f\x7f'\"`%$#;\\{}<>|&*?!(),:\ud800-\udfff]")


def whole_number(text: str, low: int, high: int) -> int:
    """A whole number in a range, ends included."""
    accepted = f"a whole number from {low} to {high}"
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(accepted)
    number = int(text)
    if not low <= number <= high:
        raise ValueError(accepted)
    return number


def count(text: str) -> int:
    """A number of things; 0 stands for ``off``."""
    if text == "off":
        return 0
    try:
        return whole_number(text, 1, 1_000_000)
    except ValueError as accepted:
        raise ValueError(f"{accepted}, or off") from None


def switch(text: str) -> bool:
    """``on`` or ``off``."""
    if text not in ("on", "off"):
        raise ValueError("on or off")
    return text == "on"


def port(text: str) -> int:
    """A TCP port a server can be given."""
    return whole_number(text, 1, MAX_PORT)


def address(text: str) -> Address:
    """``host:port``, or a port alone for loopback; ``*`` for every network, ``0.0.0.0`` for
    those of IPv4.
    """
    accepted = "an address like 127.0.0.1:8080, *:8080, [::1]:8080, or a port alone for loopback"
    host, colon, number = text.rpartition(":")
    if not colon:
        host = "127.0.0.1"
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if bracketed != (":" in bare):
        raise ValueError(accepted)
    if bare == "localhost":
        bare = "127.0.0.1"
    try:
        bare = _every_network(bare) if bare in ("*", "::") else _ip_address(bare)
    except ValueError:
        raise ValueError(f"{accepted}; the host is an IP address, * or localhost") from None
    try:
        return Address(bare, port(number))
    except ValueError as why:
        raise ValueError(f"{accepted}; the port is {why}") from None


def _ip_address(text: str) -> str:
    # A scope (`fe80::1%eth0`) may be any text at all, so it would carry anything into
    # haproxy.cfg; and a kernel takes ::ffff:1.2.3.4 for 1.2.3.4.
    if "%" in text:
        raise ValueError
    ip = ipaddress.ip_address(text)
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def machine(text: str) -> str:
    """The IP address of one machine, without a port, a mask or brackets.

    :raises ValueError: where it is not one; the message says what it is instead.
    """
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None
    if found.is_unspecified or found.is_multicast:
        raise ValueError(f"{text} is not the address of one machine")
    return str(found)


def _every_network(host: str) -> str:
    """The wildcard itself, or that of IPv4 alone on a machine without IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return "0.0.0.0"  # noqa: S104
    return host


def addresses(text: str) -> tuple[Address, ...]:
    """Addresses that can all be listened on, the one to show a user first."""
    found = tuple(address(word) for word in text.split() or [""])
    for one, other in combinations(found, 2):
        # 0.0.0.0 beside [::] says what * says.
        if one == other or ((not one.wildcard or not other.wildcard) and one.collides(other)):
            raise ValueError(f"addresses that do not overlap; {one} and {other} do. Delete one")
    return found


def loopback_address(text: str) -> Address:
    """An address that only this machine reaches."""
    value = address(text)
    if value.wildcard or not ipaddress.ip_address(value.host).is_loopback:
        raise ValueError("an address on loopback, like 127.0.0.1:8400, since it has no password")
    return value


def path(text: str) -> Path:
    """A file or directory; ``~`` is the user's home. The caller anchors a relative one."""
    if not text:
        raise ValueError("a path")
    try:
        expanded = Path(text).expanduser()
    except RuntimeError:
        raise ValueError("a path; ~ stands for the home of a user this machine knows") from None
    if found := UNSAFE_IN_PATH.search(f"{text}{expanded}"):
        raise ValueError(
            f"a path without {found.group()!r}, which generated files and scripts cannot contain"
        )
    return expanded


def program_path(text: str) -> Path | None:
    """A path to a program; None stands for ``auto``."""
    if text == "auto":
        return None
    try:
        return path(text)
    except ValueError as accepted:
        raise ValueError(f"{accepted}, or auto") from None


def seconds(text: str) -> int:
    """A span of time as HAProxy writes it: ``90``, ``90s``, ``5m`` or ``1h``; at least 1 s."""
    accepted = "a time like 60s, 5m or 1h, from 1s to 24h"
    found = re.fullmatch(r"([0-9]{1,6})([smh]?)", text)
    if not found:
        raise ValueError(accepted)
    value = int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]
    if not 1 <= value <= 24 * 3600:
        raise ValueError(accepted)
    return value


def optional_seconds(text: str) -> int | None:
    """A span of time, or nothing."""
    return seconds(text) if text else None


def memory(text: str) -> str:
    """A size of memory as the guard takes it, or nothing."""
    if text and not re.fullmatch(r"[1-9][0-9]{0,6}(MB|GB)", text):
        raise ValueError("a size like 500MB or 2GB")
    return text


def paths(text: str) -> tuple[str, ...]:
    """Paths of a site, one a line or separated by spaces."""
    found = tuple(text.split())
    for path in found:
        if not re.fullmatch(r"/[A-Za-z0-9._~!&()*+,;=:@/?-]*", path):
            raise ValueError(f"paths like /Plone/front-page without escapes; {path!r} is not one")
    return found


def optional_port(text: str) -> int | None:
    """A port, or nothing."""
    return port(text) if text else None


def optional_path(text: str) -> Path | None:
    """A path, or nothing."""
    return path(text) if text else None


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


def optional_addresses(text: str) -> tuple[Address, ...]:
    """Addresses, or nothing."""
    return addresses(text) if text else ()


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
