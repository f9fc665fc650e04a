"""Varnish, the cache in front of the instances: whether, where, and how much it keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from zopestack.features.address import Address
from zopestack.features.compression import COUNTING
from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import loopback_address, program_path, size

#: The oldest series that the tests run.
OLDEST_VARNISH = (7, 1)

#: Values of the option: none; between HAProxy's rules for clients and its queue; or the same, and
#: with instances to which it gives requests itself.
OFF, FRONT, BALANCER = "off", "front", "balancer"
KINDS = (OFF, FRONT, BALANCER)

#: Instances that a balancing Varnish tries, before it leaves a request to HAProxy's queue. Each one
#: more costs a request less in the queue, and a request that kills its instance one instance more.
TRIES = 2

#: What is refused beside Varnish, by option: what is accepted instead, and why.
BESIDE = {
    "static-cache": ((0,), "off", "its purges do not reach that cache"),
    "affinity": (
        ("none", "authenticated", "path"),
        "none, authenticated or path",
        "a response that sets a cookie is kept for nobody",
    ),
}

#: The same, beside one that balances.
BESIDE_BALANCER = BESIDE | {
    "affinity": (("none",), "none", "it knows no preferred server"),
    "compression": (((),), "off", "HAProxy compresses in a backend that its requests do not pass"),
    "backend-extra": ((None,), "empty", "its requests do not pass that backend"),
    "discover": ((None,), "empty", "it asks no DNS"),
}

#: The least that is of use, and in which Varnish starts.
LEAST_MEMORY = 16 << 20

#: Request headers, by pattern, with which a page is the same for everybody, or which are a part of
#: what Varnish tells pages apart by. A request with any other one is answered by an instance:
#: whatever the answer depends on, nobody else gets it.
KNOWN_HEADERS = (
    "accept",
    "accept-(encoding|language)",
    "cache-control",
    "connection",
    "cookie",
    "dnt",
    "forwarded",
    "host",
    "if-(modified-since|none-match)",
    "pragma",
    "priority",
    "purpose",
    "referer",
    "save-data",
    "sec-[a-z-]+",
    "te",
    "traceparent",
    "tracestate",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-forwarded-(for|host|port|proto)",
    "x-request-id",
    # HAProxy's own, which it sets before it looks.
    "zopestack-(outside|reader|sent)",
)


def _kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(f"{', '.join(KINDS[:-1])} or {KINDS[-1]}")
    return text


def _memory(text: str) -> int:
    """Bytes."""
    accepted = "a size from 16MB, like 256MB or 2GB"
    try:
        found = size(text)
    except ValueError:
        raise ValueError(accepted) from None
    if found < LEAST_MEMORY:
        raise ValueError(accepted)
    return found


def _cookies(text: str) -> tuple[str, ...]:
    found = tuple(text.split())
    for word in found:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", word):
            raise ValueError(f"names of cookies like consent; {word!r} is not one")
    return found


@feature
class Varnish(Feature):
    """The program, its memory, and whom it serves.

    :ivar varnishd: None stands for the machine's; a finished Stack with Varnish has a path.
    :ivar varnish_memory: bytes.
    """

    varnish: str = option(
        _kind,
        OFF,
        "Whether Varnish keeps pages for visitors without a login: ``front`` puts it between "
        "HAProxy's rules for clients and HAProxy's queue. With ``balancer`` it also gives requests "
        "to instances itself while nobody waits in that queue. See :doc:`/howto/varnish`.",
    )
    varnish_memory: int = option(_memory, "256MB", "Memory for the pages that Varnish keeps.")
    varnish_address: Address = option(
        loopback_address,
        "127.0.0.1:6081",
        "Where Varnish takes PURGE requests, from this machine only; the caching proxy in "
        "Plone's control panel.",
    )
    varnish_cookies: tuple[str, ...] = option(
        _cookies,
        "",
        "Names of cookies that no page depends on, such as that of a consent banner. Varnish "
        "answers no request with any other cookie.",
    )
    varnishd: Path | None = option(
        program_path,
        "auto",
        "Path of Varnish; ``auto`` takes the system's, "
        f"{'.'.join(map(str, OLDEST_VARNISH))} or later.",
    )

    @property
    def in_front(self) -> bool:
        """Whether Varnish answers some requests before they reach HAProxy's queue."""
        return self.varnish != OFF

    @property
    def gives(self) -> bool:
        """Whether Varnish gives requests to instances itself."""
        return self.varnish == BALANCER

    @property
    def executable(self) -> Path:
        """The program.

        :raises ValueError: where it has not been looked for yet.
        """
        if self.varnishd is None:
            raise ValueError("varnishd = auto stands for no program yet")
        return self.varnishd

    @property
    def only_ignored_cookies(self) -> str:
        """A Cookie header of which no page depends, as a pattern."""
        names = "|".join(("ZOPESTACK(-[A-Za-z0-9_-]+)?", *COUNTING, *self.varnish_cookies))
        return f"^((^|;) *({names})=[^;]*)*;? *$"

    @property
    def only_known_headers(self) -> str:
        """A list of the names of headers, all of them known, as a pattern."""
        return f"^(({'|'.join(KNOWN_HEADERS)})(,|$))*$"

    def check_beside(self, values: Mapping[str, object], several_hosts: bool) -> None:
        """Check against what other options say.

        :param values: of the options, by name.
        :param several_hosts: whether the stack runs on several.
        :raises Refused: for what does not work beside Varnish.
        """
        if not self.in_front:
            return
        if several_hosts:
            raise Refused(
                "varnish", "off beside hosts: instances of another host could not purge its pages"
            )
        for name, (accepted, words, why) in (BESIDE_BALANCER if self.gives else BESIDE).items():
            if values[name] not in accepted:
                raise Refused(name, f"{words} beside varnish = {self.varnish}: {why}")
