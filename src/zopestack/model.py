"""The Stack: the one description of a deployment, from which every file is derived.

Pure data: frozen values composed of the features' values, and what follows from them. No input
or output. ``config`` builds and checks it; nobody downstream checks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from zopestack.features.access_log import AccessLog
from zopestack.features.acme import Acme
from zopestack.features.address import Address
from zopestack.features.admin import Admin
from zopestack.features.affinity import Affinity
from zopestack.features.backups import Backups
from zopestack.features.balancer import Balancer
from zopestack.features.cache import Cache
from zopestack.features.compression import Compression
from zopestack.features.control import Control
from zopestack.features.databases import Databases
from zopestack.features.directories import Directories
from zopestack.features.durations import Durations
from zopestack.features.extras import Extras
from zopestack.features.groups import Groups
from zopestack.features.hosts import LOOPBACK, Hosts
from zopestack.features.instances import Instance, Instances
from zopestack.features.lanes import Lane
from zopestack.features.lifecycle import Lifecycle
from zopestack.features.limits import Limits
from zopestack.features.memory import LOADERS, Memory
from zopestack.features.metrics import Metrics
from zopestack.features.option import STACK, SUPERVISOR, Feature, Option, defaults, options
from zopestack.features.programs import Programs
from zopestack.features.proxies import Proxies
from zopestack.features.queue import Queue
from zopestack.features.relstorage import Relstorage
from zopestack.features.rotation import Rotation
from zopestack.features.sites import Sites
from zopestack.features.storage import Storage
from zopestack.features.timings import Sizes, Timings
from zopestack.features.tls import Tls
from zopestack.features.varnish import Varnish
from zopestack.features.volto import Volto
from zopestack.features.zope import Zope
from zopestack.paths import Paths

#: HAProxy needs two file descriptors a connection and does not start where the system
#: grants fewer; most grant at least 20000.
MOST_CONNECTIONS = 8000

#: Requests at once for which Varnish has no page: more than HAProxy's queue takes by itself
#: (option queue-limit).
MOST_FETCHES = 2000

#: File descriptors of HAProxy beside those that grow with the Stack.
OWN_DESCRIPTORS = 27


@dataclass(frozen=True)
class Listener:
    """An address that one of the processes opens, and the option that moves it.

    :param section: where the option is.
    """

    process: str
    address: Address
    option: str
    section: str = STACK


@dataclass(frozen=True)
class Stack(Paths):
    """A whole deployment, as one of its machines sees it.

    :param directory: the buildout's directory; ``bin`` and ``parts`` are the buildout's own.
    :param account: the user of the machine to whom its files belong.
    :param instances: those of this machine, finished, with what ``[instance]`` and ``[instanceN]``
        say of them.
    :param lanes: finished, with what the sections of groups say of them, in the order of their
        instances.
    :param own: the user's own programs, from ``[supervisor]``.
    :param relstorages: how each relational database is reached, the main one first; none where the
        storage is another.
    :param elsewhere: the instances of other hosts.
    """

    directory: Path
    bin: Path
    parts: Path
    account: str
    instances: tuple[Instance, ...]
    lanes: tuple[Lane, ...]
    zope: Zope
    balancer: Balancer
    storage: Storage
    databases: Databases
    lifecycle: Lifecycle
    memory: Memory
    durations: Durations
    directories: Directories
    sites: Sites
    volto: Volto
    tls: Tls
    acme: Acme
    proxies: Proxies
    admin: Admin
    limits: Limits
    queue: Queue
    affinity: Affinity
    groups: Groups
    cache: Cache
    varnish: Varnish
    compression: Compression
    access: AccessLog
    rotation: Rotation
    backups: Backups
    metrics: Metrics
    extras: Extras
    hosts: Hosts = field(default_factory=partial(defaults, Hosts))
    own: Programs = field(default_factory=partial(defaults, Programs))
    control: Control = field(default_factory=partial(defaults, Control))
    relstorages: tuple[Relstorage, ...] = ()
    elsewhere: tuple[Instance, ...] = ()
    timings: Timings = field(default_factory=Timings)
    sizes: Sizes = field(default_factory=Sizes)

    @property
    def certificate(self) -> Path | None:
        """What HAProxy loads for https; None without https."""
        given = self.tls.tls_certificate
        if given is None:
            return None
        if given.path and not given.certbot:
            return given.path
        return self.var / "tls" / ("certbot.pem" if given.certbot else "self-signed.pem")

    @property
    def two_schemes(self) -> bool:
        """Whether some clients may use https: HAProxy's, or that of a proxy in front."""
        return bool(self.tls.https_address) or self.proxies.believes_headers

    @property
    def scheme(self) -> str:
        """A client's scheme, in HAProxy's log-format."""
        return "%[var(txn.scheme)]" if self.two_schemes else "http"

    @property
    def redirect_scheme(self) -> str:
        """The scheme of a redirect to another host, in HAProxy's log-format."""
        return "https" if self.tls.https_only else self.scheme

    @property
    def rewrites_paths(self) -> bool:
        """Whether HAProxy tells Zope the site's URL in the path. Zope's root over plain http needs
        none: its URLs follow from the Host header.
        """
        return bool(self.sites.shown) or self.two_schemes

    @property
    def stop_seconds(self) -> float:
        """From a stop signal to a kill, for an instance and for HAProxy."""
        return self.lifecycle.stop_grace + self.timings.drain_delay + self.timings.stop

    def stuck_seconds(self, lane: Lane) -> float:
        """Seconds after which a request whose instance has died is not tried at the next one: a
        guard restarts an instance that hangs, or that has not answered for as long as a start may
        take. At least twice the longest wait in HAProxy's queue, from which it comes for the first
        time.
        """
        restarted = min(lane.durations.hung, self.timings.start)
        return max(restarted, 2 * lane.queue.timeout_queue)

    @property
    def hard_stop_seconds(self) -> float:
        """From a reload to a kill, for the previous HAProxy."""
        given = self.durations.hard_stop_after
        answers = max(lane.durations.server for lane in self.lanes)
        least = (self.timings.hard_stop, answers, self.lifecycle.stop_grace)
        return given if given is not None else max(least)

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
        return replace(first, address=address, agent=agent, host=self.hosts.host)

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

    @property
    def own_ports(self) -> tuple[int, ...]:
        """Ports of a host name that mean this front end: its own, and the usual ones, which
        a router or a firewall may forward here.
        """
        addresses = (*self.balancer.http_address, *self.tls.https_address)
        return tuple(sorted({80, 443} | {each.port for each in addresses}))

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

    @property
    def sockets(self) -> tuple[Path, ...]:
        """Every unix socket."""
        shared = map(self.loader_socket, LOADERS) if self.memory.share_memory else ()
        cached = (self.varnish_socket, self.fetch_socket) if self.varnish.in_front else ()
        return (*super().sockets, *shared, *cached)

    def forked(self, instance: Instance) -> bool:
        """Whether an instance is a fork of the loader."""
        return self.memory.share_memory and not instance.alone

    @property
    def loader_seconds(self) -> float:
        """Seconds that an instance waits for a loader that loads. Where it starts alone then, it
        still starts in time.
        """
        return self.timings.start / 2

    @property
    def programs(self) -> tuple[str, ...]:
        """What supervisorctl calls the processes that a site needs, in the order they start."""
        instances = (each.name for each in self.instances if each.autostart)
        zeo, cache, haproxy = self.storage.serves, self.varnish.in_front, self.balances
        own = ["varnish"] * cache + ["haproxy"] * haproxy
        return (*(["zeo"] * zeo), *instances, *own)

    @property
    def scraped(self) -> tuple[Address, ...]:
        """Where Prometheus finds all figures: at one address, or at each process that has some."""
        if self.metrics.metrics_address:
            return (self.metrics.metrics_address,)
        haproxy = (self.balancer.stats_address,) if self.balances else ()
        return (*haproxy, *(each.agent for each in self.instances))

    @property
    def longest_answer(self) -> float:
        """Seconds until an instance of any lane has answered, its queue included: how long Varnish
        waits, and HAProxy for Varnish.
        """
        waits = (lane.queue.timeout_queue + lane.durations.server for lane in self.visited)
        return max(waits) + self.timings.stop

    @property
    def longest_stop(self) -> float:
        """From a stop signal to a kill, for whatever may take longest."""
        return max((self.stop_seconds, *(each.stopwaitsecs for each in self.own.all)))

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


def _features(section: str) -> dict[str, Any]:
    hints = get_type_hints(Stack)
    found = {each.name: hints[each.name] for each in fields(Stack)}
    return {
        name: kind
        for name, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, Feature) and kind.section == section
    }


#: The features that a Stack is composed of, by its field.
FEATURES = _features(STACK)

#: Every option of [stack] by name. Parsing, the error for an unknown name, the reference in docs/
#: and the comments in buildout.cfg come from it.
OPTIONS: dict[str, Option] = {
    each.name: each for cls in (Instances, *FEATURES.values()) for each in options(cls)
}

#: The same of [supervisor]; its other options go to the recipe of the part.
SUPERVISOR_FEATURES = _features(SUPERVISOR)
SUPERVISOR_OPTIONS: dict[str, Option] = {
    each.name: each for cls in SUPERVISOR_FEATURES.values() for each in options(cls)
}
