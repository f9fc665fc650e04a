"""From the text of an option to a value: one small parser for each kind of value.

A parser takes the option's text, stripped, and returns the value, or raises a
``ValueError`` whose message says what would be accepted. ``settings`` adds where.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from zopestack.address import Address

#: More instances than any one machine has cores for, few enough for one port range.
MAX_INSTANCES = 256

#: Past this, threads of one process only wait for one another's interpreter lock.
MAX_THREADS = 64

MAX_PORT = 65535

# What no generated file could hold without quoting rules of its own: white space ends
# a word in haproxy.cfg and in a script's first line, `%` and `$` start an expansion in
# supervisord.conf and zope.conf, `,` and `:` part HAProxy's addresses and PYTHONPATH, the
# rest are quotes, comments and escapes, and bytes that are not UTF-8.
UNSAFE_IN_PATH = re.compile(r"[\s\x00-\x1f\x7f'\"`%$#;\\{}<>|&*?!(),:\ud800-\udfff]")

NAMES = "names of distributions, such as Zope, Plone or Plone>=6.1,<7"

USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def whole_number(text: str, low: int, high: int) -> int:
    """A whole number in a range, ends included."""
    accepted = f"a whole number from {low} to {high}"
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(accepted)
    number = int(text)
    if not low <= number <= high:
        raise ValueError(accepted)
    return number


def instances(text: str) -> int | None:
    """The number of instances; None stands for ``auto``."""
    if text == "auto":
        return None
    try:
        return whole_number(text, 1, MAX_INSTANCES)
    except ValueError as accepted:
        raise ValueError(f"{accepted}, or auto for one a CPU core") from None


def threads(text: str) -> int:
    """Threads of one instance."""
    return whole_number(text, 1, MAX_THREADS)


def nbthread(text: str) -> int:
    """Threads of HAProxy, which takes at most 64 on any machine (its manual, "nbthread")."""
    return whole_number(text, 1, 64)


def switch_interval(text: str) -> float | None:
    """Seconds of a time in milliseconds; None, for nothing, leaves Python's own."""
    if not text:
        return None
    found = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,2})?)ms", text)
    milliseconds = float(found[1]) if found else 0
    if not 0.1 <= milliseconds <= 1000:
        raise ValueError("a time like 0.5ms, 5ms or 50ms, from 0.1ms to 1000ms, or nothing")
    return milliseconds / 1000


def port(text: str) -> int:
    """A TCP port a server can be given."""
    return whole_number(text, 1, MAX_PORT)


def address(text: str) -> Address:
    """``host:port``, or a port alone for loopback; ``*`` or ``0.0.0.0`` for every interface."""
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
        if bare != "*":
            bare = _ip_address(bare)
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


def loopback_address(text: str) -> Address:
    """An address that only this machine reaches."""
    value = address(text)
    if value.wildcard or not ipaddress.ip_address(value.host).is_loopback:
        raise ValueError("an address on loopback, like 127.0.0.1:8400; it has no password")
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
            f"a path without {found.group()!r}, which generated files and scripts cannot hold"
        )
    return expanded


def user(text: str) -> str:
    """The name of the first manager, without a password."""
    if ":" in text:
        raise ValueError(
            "a name alone: the password is generated into a file only you can read, "
            "and is changed in Zope's own user folder"
        )
    if not USER_NAME.fullmatch(text):
        raise ValueError("a name of letters, digits and . _ @ -, at most 64 long")
    return text


def eggs(text: str) -> tuple[str, ...]:
    """Names of distributions, one a line or separated by spaces."""
    names = tuple(text.split())
    if not names:
        raise ValueError(NAMES)
    return tuple(requirement(name) for name in names)


def requirement(text: str) -> str:
    """The name of a distribution, with extras and versions if need be."""
    try:
        parsed = Requirement(text)
    except InvalidRequirement:
        raise ValueError(f"{NAMES}; {text!r} is none") from None
    if parsed.url or parsed.marker:
        raise ValueError(f"{NAMES}; {text!r} is more than a name and a version")
    return text


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


def memory(text: str) -> str:
    """A size of memory as ``guard.memory`` reads it, or nothing."""
    if text and not re.fullmatch(r"[1-9][0-9]{0,6}(MB|GB)", text):
        raise ValueError("a size like 500MB or 2GB")
    return text


def paths(text: str) -> tuple[str, ...]:
    """Paths of a site, one a line or separated by spaces."""
    found = tuple(text.split())
    for path in found:
        if not re.fullmatch(r"/[A-Za-z0-9._~!&()*+,;=:@/?-]*", path):
            raise ValueError(f"paths like /Plone/front-page, escapes left out; {path!r} is none")
    return found


def optional_port(text: str) -> int | None:
    """A port, or nothing."""
    return port(text) if text else None


def executable(text: str) -> Path | None:
    """A path to a program; None stands for ``auto``."""
    if text == "auto":
        return None
    try:
        return path(text)
    except ValueError as accepted:
        raise ValueError(f"{accepted}, or auto") from None


def optional_path(text: str) -> Path | None:
    """A path, or nothing."""
    return path(text) if text else None
