"""One stack on several machines: which they are, which of them this one is, and what follows.

Every host has the same buildout.cfg. ``bin/buildout`` makes the part of the host that it runs on.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Self

import psutil

from zopestack.features import host_lines
from zopestack.features.address import Address
from zopestack.features.host_lines import Host
from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import machine, port

#: The address of what needs no other host.
LOOPBACK = "127.0.0.1"


def _virtual(text: str) -> str:
    try:
        return machine(text) if text else ""
    except ValueError as why:
        accepted = "an IP address without a port or a mask, such as 10.0.0.100"
        raise ValueError(f"{accepted}; {why}") from None


def _name(text: str) -> str:
    if text and not host_lines.NAME.fullmatch(text):
        raise ValueError("the name of a host in a line of hosts")
    return text


def _balancers(text: str) -> tuple[str, ...]:
    accepted = "IP addresses of the machines with HAProxy, such as 10.0.0.5"
    found = []
    for word in text.split():
        try:
            found.append(machine(word))
        except ValueError as why:
            raise ValueError(f"{accepted}; {why}") from None
    if len({":" in each for each in found}) > 1:
        raise ValueError(f"{accepted}, all of IPv4 or all of IPv6")
    return tuple(dict.fromkeys(found))


@feature
class Hosts(Feature):
    """The machines of the stack, and which of them this one is.

    :ivar host: the name of this one in a finished Stack; empty without ``hosts``.
    :ivar interface: that has this host's address, in a finished Stack with ``virtual-address``.
    """

    hosts: tuple[Host, ...] = option(
        host_lines.hosts,
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

    virtual_address: str = option(
        _virtual,
        "",
        "An IP address that moves to a balancer that serves, by keepalived. See "
        ":ref:`virtual-address`.",
    )
    outside_balancers: tuple[str, ...] = option(
        _balancers,
        "",
        "For instances that a scheduler starts: the addresses from which HAProxy of another "
        "machine sends requests; they listen on every network, and answer these only. See "
        ":doc:`/howto/scheduler`.",
    )
    interface: str = ""

    def resolved(self, base: Path) -> Self:
        """The feature with the name of this host.

        :raises Refused: where this machine is none of the hosts, or an address does not fit them.
        """
        self._check_virtual()
        if self.hosts and self.outside_balancers:
            raise Refused("outside-balancers", "nothing with hosts, which has the balancers")
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
        return replace(found, interface=_interface(name, found)) if self.virtual_address else found

    def _check_virtual(self) -> None:
        given = self.virtual_address
        if given and len(self.balancers) < 2:
            raise Refused("virtual-address", "two hosts with the role balancer")
        if given in {each.address for each in self.hosts} - {""}:
            raise Refused("virtual-address", "an address that is not one host's own")
        families = {":" in each.address for each in self.balancers} | {":" in given}
        if given and len(families) > 1:
            raise Refused("virtual-address", "an address of IPv4 or of IPv6, as the balancers' own")

    @property
    def here(self) -> Host:
        """This host; without ``hosts``, one on loopback that has every role, but for what
        balancers outside do.
        """
        for each in self.hosts:
            if each.name == self.host:
                return each
        return Host("", LOOPBACK, balancer=not self.outside_balancers, storage=True)

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
        if listens.wildcard:
            return self.outside_balancers
        return self.addresses if listens.host in self.addresses else ()

    @property
    def balanced_elsewhere(self) -> bool:
        """Whether HAProxy of another machine may send requests here."""
        return self.several or bool(self.outside_balancers)

    @property
    def every_network(self) -> str:
        """Where what balancers outside reach listens."""
        (ipv6,) = {":" in each for each in self.outside_balancers}
        return "::" if ipv6 else "0.0.0.0"  # noqa: S104

    @property
    def proxies(self) -> tuple[str, ...]:
        """From where HAProxy of other machines connects."""
        own = tuple(each.address for each in self.balancers) if self.several else ()
        return own or self.outside_balancers

    @property
    def balancers_reached_at(self) -> tuple[str, ...]:
        """Addresses of the balancers; nothing where there is one host."""
        return (*self.proxies, self.virtual_address) if self.virtual_address else self.proxies

    @property
    def moves_address(self) -> bool:
        """Whether keepalived of this host may give it the virtual address."""
        return bool(self.virtual_address) and self.here.balancer

    @property
    def router(self) -> int:
        """The number that those share who share the address, from 1 to 255 (RFC 9568, 5.2.3)."""
        return ipaddress.ip_address(self.virtual_address).packed[-1] or 255

    @property
    def priority(self) -> int:
        """This host's among them: the first has the highest one that is not an owner's (the same,
        5.2.4).
        """
        return 254 - self.balancers.index(self.here)

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


def _interface(name: str, hosts: Hosts) -> str:
    """The network interface with this host's address.

    :raises Refused: where none has it by itself.
    """
    own = ipaddress.ip_address(hosts.here.address)
    for interface, addresses in psutil.net_if_addrs().items():
        for each in addresses:
            if each.family in (socket.AF_INET, socket.AF_INET6) and each.netmask:
                network = f"{each.address.partition('%')[0]}/{_prefix(each.netmask)}"
                if own in ipaddress.ip_network(network, strict=False):
                    return interface
    raise Refused("virtual-address", f"a network interface with the address of {name}, {own}")


def _prefix(netmask: str) -> int:
    """Bits of a network, from its mask as text."""
    return int.from_bytes(ipaddress.ip_address(netmask).packed, "big").bit_count()


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
