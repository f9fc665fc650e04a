"""The option ``hosts``: one stack on several machines.

    lb1   10.0.0.1   balancer
    app1  10.0.0.11  instances=4
    app2  10.0.0.12  instances=4
    db    10.0.0.21  storage

A line is a host: its name, its address, and its roles. Every host has the same buildout.cfg, and
``bin/buildout`` makes the part of the host that it runs on.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from zopestack.features.address import Address
from zopestack.features.instances import MAX_INSTANCES
from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import port, whole_number
from zopestack.features.unknown_name import nearest

#: The roles of a host; that of the instances has their number.
BALANCER, INSTANCES, STORAGE = "balancer", "instances", "storage"

#: The first part of a host's name (RFC 1123, 2.1), in lower case. HAProxy's names of servers begin
#: with it.
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

LOOPBACK = "127.0.0.1"

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


def _hosts(text: str) -> tuple[Host, ...]:
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
    host = Host(name, _address(address, line))
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


def _address(text: str, line: str) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{ACCEPTED}; in {line!r}, {text!r} is not an IP address") from None
    if found.is_unspecified or found.is_multicast:
        raise ValueError(f"{ACCEPTED}; in {line!r}, {text} is not the address of one host")
    return str(found)


def _check_roles(hosts: Iterable[Host]) -> None:
    for role, has in (
        (BALANCER, any(each.balancer for each in hosts)),
        (f"{INSTANCES}=4", any(each.instances for each in hosts)),
    ):
        if not has:
            raise ValueError(f"{ACCEPTED}; no host has the role {role}")


def _name(text: str) -> str:
    if text and not NAME.fullmatch(text):
        raise ValueError("the name of a host in a line of hosts")
    return text


@feature
class Hosts(Feature):
    """The machines of the stack, and which of them this one is.

    :ivar host: the name of this one in a finished Stack; empty without ``hosts``.
    """

    hosts: tuple[Host, ...] = option(
        _hosts,
        "",
        "Several hosts, a line each: name, IP address, and roles: ``balancer``, "
        "``instances=4``, ``storage``. See :doc:`/howto/hosts`.",
    )
    host: str = option(
        _name,
        "",
        "Which of ``hosts`` this machine is; by default the one with the machine's host name.",
    )
    peers_port: int = option(
        port,
        "8405",
        "With more than one balancer: the port on which they tell each other of clients who have "
        "written, and of rates.",
    )

    def resolved(self, base: Path) -> Self:
        """The feature with the name of this host.

        :raises Refused: where this machine is none of the hosts.
        """
        if not self.hosts:
            if self.host:
                raise Refused("host", "hosts to be set as well: a line for each host")
            return self
        name = self.host or socket.gethostname().partition(".")[0].lower()
        names = ", ".join(each.name for each in self.hosts)
        if name not in {each.name for each in self.hosts}:
            own = "" if self.host else f"; this machine's host name is {name}"
            raise Refused("host", f"a host that has a line under hosts: {names}{own}")
        found = replace(self, host=name)
        _check_own(found)
        return found

    @property
    def here(self) -> Host:
        """This host; without ``hosts``, one on loopback that has every role."""
        for each in self.hosts:
            if each.name == self.host:
                return each
        return Host("", LOOPBACK, balancer=True, storage=True)

    @property
    def several(self) -> bool:
        """Whether there is more than one."""
        return len(self.hosts) > 1

    @property
    def balancers(self) -> tuple[Host, ...]:
        """Those with HAProxy."""
        return tuple(each for each in self.hosts if each.balancer)

    @property
    def other_balancers(self) -> tuple[Host, ...]:
        """Those of them that are not this one."""
        return tuple(each for each in self.balancers if each.name != self.host)

    @property
    def of_instances(self) -> tuple[Host, ...]:
        """Those with instances."""
        return tuple(each for each in self.hosts if each.instances)

    @property
    def of_storage(self) -> tuple[Host, ...]:
        """Those with the database."""
        return tuple(each for each in self.hosts if each.storage)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of all of several hosts; nothing where there is one."""
        return tuple(each.address for each in self.hosts) if self.several else ()

    def answered(self, listens: Address) -> tuple[str, ...]:
        """Who may connect to what only the stack itself uses: the hosts, where it listens on the
        address of one. Nothing for loopback, where anybody on this machine may.
        """
        return self.addresses if listens.host in self.addresses else ()

    @property
    def peer(self) -> str:
        """What HAProxy of this host is called among the balancers (its manual, "peers")."""
        return self.host if self.other_balancers else "this"

    def peers(self, host: Host) -> Address:
        """Where a balancer listens for what the others know of clients."""
        return Address(host.address, self.peers_port)

    def listens(self, host: Host, clients: Iterable[Host]) -> str:
        """Where a process on a host listens: on the host's address where a client is on another
        one, or else on loopback.
        """
        elsewhere = any(each.name != host.name for each in clients)
        return host.address if elsewhere else LOOPBACK


def _check_own(hosts: Hosts) -> None:
    """Check that the address of this host is one of this machine.

    :raises Refused: where it is not.
    """
    here = hosts.here
    family = socket.AF_INET6 if ":" in here.address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((here.address, 0))
    except OSError as why:
        if why.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        raise Refused(
            "hosts",
            f"an address of this machine in the line of {here.name}, which it is, not "
            f"{here.address}; or another host",
        ) from None
