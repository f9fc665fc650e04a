"""Every address that a deployment opens, and the option that moves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zopestack.balanced import Balanced
from zopestack.features.address import Address
from zopestack.features.balancer import Balancer
from zopestack.features.control import Control
from zopestack.features.metrics import Metrics
from zopestack.features.option import STACK
from zopestack.features.storage import Storage
from zopestack.features.tls import Tls
from zopestack.features.varnish import Varnish


@dataclass(frozen=True)
class Listener:
    """An address that one of the processes opens, and the option that moves it.

    :param section: where the option is.
    """

    process: str
    address: Address
    option: str
    section: str = STACK


class Addresses(Balanced):
    """The addresses of a :class:`zopestack.model.Stack`."""

    balancer: Balancer
    control: Control
    metrics: Metrics
    storage: Storage
    tls: Tls
    varnish: Varnish

    @property
    def own_ports(self) -> tuple[int, ...]:
        """Ports of a host name that mean this front end: its own, and the usual ones, which
        a router or a firewall may forward here.
        """
        addresses = (*self.balancer.http_address, *self.tls.https_address)
        return tuple(sorted({80, 443} | {each.port for each in addresses}))

    @property
    def scraped(self) -> tuple[Address, ...]:
        """Where Prometheus finds all figures: at one address, or at each process that has some."""
        if self.metrics.metrics_address:
            return (self.metrics.metrics_address,)
        haproxy = (self.balancer.stats_address,) if self.balances else ()
        return (*haproxy, *(each.agent for each in self.instances))

    def listeners(self) -> Iterator[Listener]:
        """Every TCP address that the stack opens."""
        if self.balances:
            yield from self._of_haproxy()
        if self.metrics.metrics_address:
            yield Listener("metrics", self.metrics.metrics_address, "metrics-address")
        if self.storage.serves:
            yield Listener("zeo", self.storage.zeo_address, "zeo-address")
        for instance in self.instances:
            option = "base-port" if instance.balanced else "extra-instances"
            yield Listener(instance.name, instance.address, option)
            yield Listener(f"{instance.name}'s agent", instance.agent, "agent-base-port")
        if self.varnish.in_front:
            yield Listener("varnish", self.varnish.varnish_address, "varnish-address")
        if self.control.port:
            yield Listener("supervisord", self.control.port, "port", Control.section)

    def _of_haproxy(self) -> Iterator[Listener]:
        for address in self.balancer.http_address:
            yield Listener("haproxy", address, "http-address")
        for address in self.tls.https_address:
            yield Listener("haproxy (https)", address, "https-address")
        yield Listener("haproxy's status page", self.balancer.stats_address, "stats-address")
        if self.hosts.other_balancers:
            peers = self.hosts.peers(self.hosts.here)
            yield Listener("haproxy (other balancers)", peers, "peers-port")
