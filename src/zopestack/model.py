"""The Stack: the one description of a deployment, from which every file is derived.

Pure data: frozen values composed of the features' values, and what follows from them. No input
or output. ``config`` builds and checks it; nobody downstream checks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from zopestack.addresses import Addresses
from zopestack.capacity import Capacity
from zopestack.features.access_log import AccessLog
from zopestack.features.acme import Acme
from zopestack.features.admin import Admin
from zopestack.features.affinity import Affinity
from zopestack.features.backups import Backups
from zopestack.features.balancer import Balancer
from zopestack.features.cache import Cache
from zopestack.features.compression import Compression
from zopestack.features.control import Control
from zopestack.features.databases import Databases
from zopestack.features.directories import Directories
from zopestack.features.discovery import Discovery
from zopestack.features.durations import Durations
from zopestack.features.extras import Extras
from zopestack.features.groups import Groups
from zopestack.features.hosts import Hosts
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
from zopestack.rendered import Rendered


@dataclass(frozen=True)
class Stack(Capacity, Addresses, Paths, Rendered):
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
    :param elsewhere: the instances of other hosts, and those that DNS may tell of.
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
    discovery: Discovery = field(default_factory=partial(defaults, Discovery))
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
