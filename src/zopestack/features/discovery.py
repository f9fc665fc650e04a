"""Instances that a scheduler such as Kubernetes or Nomad starts: where HAProxy finds them.

HAProxy asks DNS for one name, and takes each address of the answer for one instance.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from zopestack.features.address import Address
from zopestack.features.instances import AGENT_PORT_OFFSET, MAX_INSTANCES
from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import address, port, whole_number
from zopestack.features.unknown_name import nearest

#: What HAProxy calls such an instance, before its number.
PREFIX = "discovered"

#: A name in DNS (RFC 1035, 2.3.4), in lower case; with ``_``, which names of services have. The
#: last part has a letter, so that no IP address is one.
PART = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"(?=.{{1,253}}$)({PART}\.)*(?=[^.]*[a-z])({PART})")

#: One that has SRV records, which tell the port, too (RFC 2782).
SERVICE = re.compile(r"_[^.]+\._(tcp|udp)\..+")

#: The words after the name.
MOST, AGENT = "up-to", "agent"

ACCEPTED = (
    f"a name in DNS, the port of the instances and their greatest number, like "
    f"zope.example.internal:8081 {MOST}=20, or a name of SRV records and the agents' port, like "
    f"_zope._tcp.service.consul {MOST}=20 {AGENT}=9081"
)


@dataclass(frozen=True)
class Discover:
    """What ``discover`` says.

    :param port: of the instances; 0 where the records tell it.
    :param most: how many instances there may be at once.
    :param agent: the port of their agents.
    """

    name: str
    port: int
    most: int
    agent: int

    @property
    def asked(self) -> str:
        """The name, with the port unless the records tell it, as HAProxy takes it."""
        return f"{self.name}:{self.port}" if self.port else self.name

    @property
    def servers(self) -> tuple[str, ...]:
        """What HAProxy calls the instances."""
        return tuple(f"{PREFIX}{number}" for number in range(1, self.most + 1))


def _discover(text: str) -> Discover | None:
    if not text:
        return None
    place, *words = text.split()
    name, colon, number = place.partition(":")
    if not NAME.fullmatch(name):
        raise ValueError(f"{ACCEPTED}; the first word is not a name in DNS, in lower case")
    service = name.startswith("_")
    if service and not SERVICE.fullmatch(name):
        raise ValueError(f"{ACCEPTED}; the name has no service and protocol")
    if service == bool(colon):
        records = "SRV records have the port" if service else "write the port after the name"
        raise ValueError(f"{ACCEPTED}; {records}")
    given = _words(words)
    if MOST not in given:
        raise ValueError(f"{ACCEPTED}; {MOST} is missing")
    if service and AGENT not in given:
        raise ValueError(f"{ACCEPTED}; {AGENT} is missing")
    listens = 0 if service else _number("the port", number, port)
    agent = given.get(AGENT, str(listens + AGENT_PORT_OFFSET))
    found = Discover(
        name,
        listens,
        _number(MOST, given[MOST], lambda text: whole_number(text, 1, MAX_INSTANCES)),
        _number(f"{AGENT}, by default {AGENT_PORT_OFFSET} above the port,", agent, port),
    )
    if found.agent == found.port:
        raise ValueError(f"{ACCEPTED}; {AGENT} is another port than that of the instances")
    return found


def _words(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if name not in (MOST, AGENT) or not equals:
            hint = nearest(name, [f"{MOST}=20", f"{AGENT}=9081"])
            raise ValueError(f"{ACCEPTED}; another word is neither {MOST} nor {AGENT}; {hint}")
        if name in found:
            raise ValueError(f"{ACCEPTED}; {name} once")
        found[name] = text
    return found


def _number(what: str, text: str, parse: Callable[[str], int]) -> int:
    try:
        return parse(text)
    except ValueError as why:
        raise ValueError(f"{ACCEPTED}; {what} is {why}") from None


def _resolvers(text: str) -> tuple[Address, ...]:
    found = tuple(address(word) for word in text.split())
    if any(each.wildcard for each in found):
        raise ValueError("addresses of name servers, such as 10.0.0.2:53, not of every network")
    if len({*found}) < len(found):
        raise ValueError("each name server once")
    return found


@feature
class Discovery(Feature):
    """The name, and who is asked for it."""

    discover: Discover | None = option(
        _discover,
        "",
        "Instances that a scheduler starts: a name in DNS with their port, and how many there may "
        "be, such as ``zope.example.internal:8081 up-to=20``. See :doc:`/howto/scheduler`.",
    )
    resolvers: tuple[Address, ...] = option(
        _resolvers,
        "",
        "With ``discover``: the name servers, such as ``10.0.0.2:53``; by default those of "
        "``/etc/resolv.conf``.",
    )

    def check(self) -> None:
        """Check that name servers are asked for something.

        :raises Refused: where they are not.
        """
        if self.resolvers and not self.discover:
            raise Refused("resolvers", "discover to be set as well: the name to ask for")
