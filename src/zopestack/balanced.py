"""Which instances HAProxy sends requests to, and in which lanes."""

from __future__ import annotations

from dataclasses import replace

from zopestack.features.address import Address
from zopestack.features.hosts import LOOPBACK, Hosts
from zopestack.features.instances import COMMON, Instance
from zopestack.features.lanes import Lane
from zopestack.features.varnish import Varnish


class Balanced:
    """The instances of a :class:`zopestack.model.Stack` behind HAProxy, on all hosts and here."""

    hosts: Hosts
    instances: tuple[Instance, ...]
    elsewhere: tuple[Instance, ...]
    lanes: tuple[Lane, ...]
    varnish: Varnish

    @property
    def balances(self) -> bool:
        """Whether HAProxy runs here."""
        return self.hosts.here.balancer

    @property
    def balanced(self) -> tuple[Instance, ...]:
        """The instances that HAProxy sends requests to, in the same order on every host."""
        names = [each.name for each in self.hosts.hosts]
        every = [each for each in (*self.instances, *self.elsewhere) if each.balanced]
        return tuple(sorted(every, key=lambda each: names.index(each.host) if names else 0))

    @property
    def several_balancers(self) -> bool:
        """Whether more than one gives requests to an instance: HAProxy of several hosts, or Varnish
        beside it. Then the agents know who has learned of what.
        """
        return self.hosts.balanced_elsewhere or self.varnish.gives

    @property
    def balanced_here(self) -> tuple[Instance, ...]:
        """Those of them that run here."""
        return tuple(instance for instance in self.instances if instance.balanced)

    @property
    def pattern(self) -> Instance:
        """What is made as an instance is: the first one here. On a host without instances, one that
        nobody starts, for what needs the eggs and the configuration of one.
        """
        if self.instances:
            return self.instances[0]
        first = self.elsewhere[0]
        address, agent = (Address(LOOPBACK, each.port) for each in (first.address, first.agent))
        own = replace(first, name=f"{COMMON}1", host=self.hosts.host, discovered=False)
        return replace(own, address=address, agent=agent)

    @property
    def discovered(self) -> tuple[Instance, ...]:
        """The instances that there may be, of which DNS tells."""
        return tuple(instance for instance in self.elsewhere if instance.discovered)

    def lane(self, name: str) -> tuple[Instance, ...]:
        """The instances of a lane, on all hosts."""
        return tuple(instance for instance in self.balanced if instance.lane == name)

    def lane_here(self, name: str) -> tuple[Instance, ...]:
        """Those of them that run here."""
        return tuple(instance for instance in self.balanced_here if instance.lane == name)

    def lane_of(self, instance: Instance) -> Lane:
        """The lane of an instance; of one that HAProxy sends nothing, the ordinary one, with whose
        times it works.
        """
        return next((lane for lane in self.lanes if lane.name == instance.lane), self.lanes[0])

    @property
    def visited(self) -> tuple[Lane, ...]:
        """The lanes for clients: first that of the ordinary requests."""
        return tuple(lane for lane in self.lanes if lane.visited)
