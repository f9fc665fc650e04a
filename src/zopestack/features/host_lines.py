"""The lines of ``hosts``: a name, an address and roles each.

    lb1   10.0.0.1   balancer
    app1  10.0.0.11  instances=4
    db    10.0.0.21  storage

A host may have several roles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from zopestack.features.instances import MAX_INSTANCES
from zopestack.features.parsers import machine, whole_number
from zopestack.features.unknown_name import nearest

#: The roles of a host; that of the instances has their number.
BALANCER, INSTANCES, STORAGE = "balancer", "instances", "storage"

#: The first part of a host's name (RFC 1123, 2.1), in lower case. HAProxy's names of servers begin
#: with it.
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

ACCEPTED = "lines like lb1 10.0.0.1 balancer, app1 10.0.0.11 instances=4 or db 10.0.0.21 storage"


@dataclass(frozen=True)
class Host:
    """One machine of the stack.

    :param address: where the other hosts reach it; an IP address without brackets.
    :param balancer: whether HAProxy runs there.
    :param instances: how many of the ordinary instances run there.
    :param storage: whether the database is there.
    """

    name: str
    address: str
    balancer: bool = False
    instances: int = 0
    storage: bool = False


def hosts(text: str) -> tuple[Host, ...]:
    """The hosts of a text; none of an empty one.

    :raises ValueError: where one of them cannot be.
    """
    found: list[Host] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        host = _line(line)
        for other in found:
            if other.name == host.name:
                raise ValueError(f"{ACCEPTED}, each host once, not {host.name} again")
            if other.address == host.address:
                both = f"{other.name} and {host.name} have {host.address}"
                raise ValueError(f"{ACCEPTED}, each with an address of its own; {both}")
        found.append(host)
    if found:
        _check_roles(found)
    return tuple(found)


def _line(line: str) -> Host:
    name, *words = line.split()
    address, roles = "".join(words[:1]), words[1:]
    if not NAME.fullmatch(name):
        raise ValueError(f"{ACCEPTED}; in {line!r}, {name!r} is not a host's name in lower case")
    try:
        host = Host(name, machine(address))
    except ValueError as why:
        raise ValueError(f"{ACCEPTED}; in {line!r}, {why}") from None
    if not roles:
        raise ValueError(f"{ACCEPTED}; {line!r} gives {name} no role")
    for word in roles:
        role, equals, number = word.partition("=")
        if role == INSTANCES and equals:
            try:
                host = replace(host, instances=whole_number(number, 1, MAX_INSTANCES))
            except ValueError as why:
                raise ValueError(f"{ACCEPTED}; in {line!r}, instances is {why}") from None
        elif word == BALANCER:
            host = replace(host, balancer=True)
        elif word == STORAGE:
            host = replace(host, storage=True)
        else:
            hint = nearest(role, [BALANCER, f"{INSTANCES}=4", STORAGE])
            raise ValueError(f"{ACCEPTED}; in {line!r}, {word} is not a role; {hint}")
    return host


def _check_roles(hosts: Iterable[Host]) -> None:
    for role, has in (
        (BALANCER, any(each.balancer for each in hosts)),
        (f"{INSTANCES}=4", any(each.instances for each in hosts)),
    ):
        if not has:
            raise ValueError(f"{ACCEPTED}; no host has the role {role}")
