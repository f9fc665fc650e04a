"""What HAProxy has room for: connections, file descriptors, and the share of each client."""

from __future__ import annotations

from zopestack.balanced import Balanced
from zopestack.features.balancer import Balancer
from zopestack.features.lanes import Lane
from zopestack.features.limits import Limits
from zopestack.features.timings import Sizes
from zopestack.features.tls import Tls
from zopestack.features.varnish import Varnish
from zopestack.features.volto import Volto

#: HAProxy needs two file descriptors a connection and does not start where the system
#: grants fewer; most grant at least 20000.
MOST_CONNECTIONS = 8000

#: Requests at once for which Varnish has no page: more than HAProxy's queue takes by itself
#: (option queue-limit).
MOST_FETCHES = 2000

#: File descriptors of HAProxy beside those that grow with the Stack.
OWN_DESCRIPTORS = 27


class Capacity(Balanced):
    """The sizes of a :class:`zopestack.model.Stack` that follow from its threads and options."""

    balancer: Balancer
    limits: Limits
    sizes: Sizes
    tls: Tls
    varnish: Varnish
    volto: Volto

    @property
    def threads(self) -> int:
        """Requests of clients that the whole stack works on at once."""
        return sum(instance.threads for instance in self.balanced)

    @property
    def connections(self) -> int:
        """Clients connected at once. Each busy thread may have many clients waiting; 2000 is
        HAProxy's default for a small machine.
        """
        most = MOST_CONNECTIONS - self.fetches
        return self.balancer.max_connections or min(max(2000, 200 * self.threads), most)

    @property
    def fetches(self) -> int:
        """Connections on which Varnish asks HAProxy for pages that it does not have."""
        return MOST_FETCHES if self.varnish.in_front else 0

    @property
    def descriptors(self) -> int:
        """File descriptors that HAProxy needs: two a connection, two for each server and its
        health check, three a thread, one an address, and its own
        (docs/explanation/measured.rst, "Descriptors of HAProxy").
        """
        addresses = len(self.balancer.bindings) + len(self.tls.bindings)
        return (
            2 * (self.connections + self.fetches + self.sizes.stats_connections)
            + 2 * (2 if self.varnish.in_front else 0)
            + 2 * (len(self.balanced) + len(self.volto.volto_address))
            + 3 * self.balancer.nbthread
            + addresses
            # Both directions, and what comes in is passed on to a socket.
            + 4 * len(self.hosts.other_balancers)
            + OWN_DESCRIPTORS
        )

    def prioritized_share(self, lane: Lane) -> int:
        """Requests of one client in progress up to which a login goes first in a lane: half of its
        threads, since anybody may claim to be logged in.
        """
        return max(1, self._threads(lane) // 2)

    def fair_share(self, lane: Lane) -> int:
        """Requests of one client in progress, past which they wait behind everybody else's in a
        lane. Browsers open 6 connections.
        """
        return max(6, 2 * self._threads(lane))

    def upload_share(self, lane: Lane) -> int:
        """Bytes of bodies that one client may be sending to one instance of a lane, beside one of
        any size.
        """
        return self.limits.concurrent_uploads_per_address // lane.instances

    def _threads(self, lane: Lane) -> int:
        return sum(instance.threads for instance in self.lane(lane.name))
