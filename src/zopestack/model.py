"""The Stack: the one description of a deployment, from which every file is derived.

Pure data: frozen values composed of the features' values, and what follows from them. No input
or output. ``config`` builds and checks it; nobody downstream checks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from zopestack.features.access_log import AccessLog
from zopestack.features.acme import Acme
from zopestack.features.address import Address
from zopestack.features.admin import Admin
from zopestack.features.affinity import Affinity
from zopestack.features.balancer import Balancer
from zopestack.features.cache import Cache
from zopestack.features.compression import Compression
from zopestack.features.directories import Directories
from zopestack.features.durations import Durations
from zopestack.features.extras import Extras
from zopestack.features.instances import VISITORS, Instance, Instances
from zopestack.features.lifecycle import Lifecycle
from zopestack.features.limits import Limits
from zopestack.features.option import Feature, Option, options
from zopestack.features.proxies import Proxies
from zopestack.features.queue import Queue
from zopestack.features.rotation import Rotation
from zopestack.features.sites import Sites
from zopestack.features.storage import Storage
from zopestack.features.timings import Sizes, Timings
from zopestack.features.tls import Tls
from zopestack.features.zope import Zope

#: HAProxy needs two file descriptors a connection and does not start where the system
#: grants fewer; most grant at least 20000.
MOST_CONNECTIONS = 8000

#: File descriptors of HAProxy beside those that grow with the Stack.
OWN_DESCRIPTORS = 27


@dataclass(frozen=True)
class Listener:
    """An address that one of the processes opens, and the option that moves it."""

    process: str
    address: Address
    option: str


@dataclass(frozen=True)
class Stack:
    """A whole deployment on one machine.

    :param directory: the buildout's directory; ``bin`` and ``parts`` are the buildout's own.
    :param account: the user of the machine to whom its files belong.
    :param instances: finished, with what ``[instance]`` and ``[instanceN]`` say of them.
    """

    directory: Path
    bin: Path
    parts: Path
    account: str
    instances: tuple[Instance, ...]
    zope: Zope
    balancer: Balancer
    storage: Storage
    lifecycle: Lifecycle
    durations: Durations
    directories: Directories
    sites: Sites
    tls: Tls
    acme: Acme
    proxies: Proxies
    admin: Admin
    limits: Limits
    queue: Queue
    affinity: Affinity
    cache: Cache
    compression: Compression
    access: AccessLog
    rotation: Rotation
    extras: Extras
    timings: Timings = field(default_factory=Timings)
    sizes: Sizes = field(default_factory=Sizes)

    @property
    def var(self) -> Path:
        """Directory of everything that changes while the stack runs."""
        return self.directories.var

    @property
    def logs(self) -> Path:
        """Directory of every log file."""
        return self.var / "log"

    @property
    def access_log(self) -> Path:
        """Where HAProxy's line for every request goes."""
        return self.logs / "access.log"

    @property
    def access_pipe(self) -> Path:
        """The pipe from HAProxy to what writes its access log."""
        return self.var / "access-log.pipe"

    @property
    def database(self) -> Path:
        """The FileStorage that ZEO serves."""
        return self.var / "filestorage" / "Data.fs"

    @property
    def blobs(self) -> Path:
        """The blob directory that ZEO and the instances share."""
        return self.var / "blobstorage"

    @property
    def temporary(self) -> Path:
        """Temporary files of every process, such as uploads on their way into the database."""
        return self.var / "tmp"

    @property
    def password_file(self) -> Path:
        """The password of the initial administrator, readable by its owner only."""
        return self.var / "admin-password"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisorctl reaches supervisord."""
        return self.var / "supervisor.sock"

    @property
    def lock(self) -> Path:
        """Held by whoever starts, stops, rolls, updates or builds the stack; says who that is."""
        return self.var / "stack.lock"

    @property
    def begun(self) -> Path:
        """What ran before a command that restarts or drains, while that is under way."""
        return self.var / "begun.json"

    @property
    def conflicts_lock(self) -> Path:
        """Held by the instance that runs a request again after a conflict."""
        return self.var / "conflicts.lock"

    def drained(self, instance: Instance) -> Path:
        """A file that is there while an instance is drained by hand."""
        return self.var / instance.name / "drained"

    @property
    def haproxy_socket(self) -> Path:
        """HAProxy's runtime API."""
        return self.var / "haproxy.sock"

    @property
    def peers_socket(self) -> Path:
        """Where HAProxy's worker hands its tables to the next one at a reload."""
        return self.var / "peers.sock"

    @property
    def configuration(self) -> Path:
        """Directory of the rendered files."""
        return self.parts / "stack-files"

    @property
    def haproxy_conf(self) -> Path:
        """The rendered HAProxy configuration."""
        return self.configuration / "haproxy.cfg"

    @property
    def haproxy(self) -> Path:
        """What executes HAProxy: a reload executes it again, so another program takes over without
        a dropped connection.
        """
        return self.configuration / "haproxy"

    @property
    def supervisord_conf(self) -> Path:
        """The rendered supervisord configuration."""
        return self.configuration / "supervisord.conf"

    @property
    def system_unit(self) -> Path:
        """The unit for systemd, to start the stack at boot."""
        return self.configuration / "zopestack.service"

    @property
    def user_unit(self) -> Path:
        """The same for ``systemctl --user``, without root."""
        return self.configuration / "zopestack-user.service"

    @property
    def slots_lua(self) -> Path:
        """What keeps the slots in HAProxy in step with the instances' threads."""
        return self.configuration / "slots.lua"

    @property
    def outcome_lua(self) -> Path:
        """What answers a POST whose instance has died."""
        return self.configuration / "outcome.lua"

    @property
    def sites_map(self) -> Path:
        """Which object in Zope a host and path show."""
        return self.configuration / "sites.map"

    @property
    def redirects_map(self) -> Path:
        """Which host another one redirects to."""
        return self.configuration / "redirects.map"

    @property
    def preferred_map(self) -> Path:
        """Which instance a user or a path prefers, by its hash."""
        return self.configuration / "preferred.map"

    @property
    def acme_lua(self) -> Path:
        """What answers a certificate authority's challenges from a directory."""
        return self.configuration / "acme.lua"

    @property
    def stack_file(self) -> Path:
        """This value itself, for the operator commands."""
        return self.configuration / "stack.json"

    @property
    def pages_map(self) -> Path:
        """What people see when HAProxy itself answers."""
        return self.configuration / "pages.map"

    @property
    def balancer_files(self) -> tuple[Path, ...]:
        """Every rendered file that HAProxy is given."""
        return (
            self.haproxy_conf,
            self.slots_lua,
            self.outcome_lua,
            self.acme_lua,
            self.sites_map,
            self.redirects_map,
            self.preferred_map,
            self.pages_map,
        )

    @property
    def server_state(self) -> Path:
        """Where the state of the instances is handed from one HAProxy to the next."""
        return self.var / "haproxy.state"

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
    def stop_seconds(self) -> float:
        """From a stop signal to a kill, for an instance and for HAProxy."""
        return self.lifecycle.stop_grace + self.timings.drain_delay + self.timings.stop

    @property
    def stuck_seconds(self) -> float:
        """Seconds after which a request whose instance has died is not tried at the next one: a
        guard restarts an instance that hangs, or that has not answered for as long as a start may
        take. At least twice the longest wait in HAProxy's queue, from which it comes for the first
        time.
        """
        restarted = min(self.durations.hung, self.timings.start)
        return max(restarted, 2 * self.queue.timeout_queue)

    @property
    def hard_stop_seconds(self) -> float:
        """From a reload to a kill, for the previous HAProxy."""
        given = self.durations.hard_stop_after
        least = (self.timings.hard_stop, self.durations.server, self.lifecycle.stop_grace)
        return given if given is not None else max(least)

    @property
    def sockets(self) -> tuple[Path, ...]:
        """Every unix socket."""
        return self.supervisor_socket, self.haproxy_socket, self.peers_socket

    def lane(self, name: str) -> tuple[Instance, ...]:
        """The instances of a lane."""
        return tuple(instance for instance in self.instances if instance.lane == name)

    @property
    def own_ports(self) -> tuple[int, ...]:
        """Ports of a host name that mean this front end: its own, and the usual ones, which
        a router or a firewall may forward here.
        """
        addresses = (*self.balancer.http_address, *self.tls.https_address)
        return tuple(sorted({80, 443} | {each.port for each in addresses}))

    @property
    def threads(self) -> int:
        """Requests the whole stack works on at once."""
        return sum(instance.threads for instance in self.instances)

    @property
    def connections(self) -> int:
        """Clients connected at once. Each busy thread may have many clients waiting; 2000 is
        HAProxy's default for a small machine.
        """
        return self.balancer.max_connections or min(max(2000, 200 * self.threads), MOST_CONNECTIONS)

    @property
    def descriptors(self) -> int:
        """File descriptors that HAProxy needs: two a connection, two for each instance and its
        health check, three a thread, one an address, and its own
        (docs/explanation/measured.rst, "Descriptors of HAProxy").
        """
        addresses = len(self.balancer.bindings) + len(self.tls.bindings)
        return (
            2 * (self.connections + self.sizes.stats_connections)
            + 2 * len(self.instances)
            + 3 * self.balancer.nbthread
            + addresses
            + OWN_DESCRIPTORS
        )

    @property
    def prioritized_share(self) -> int:
        """Requests of one client in progress up to which a login goes first: half of the
        threads, since anybody may claim to be logged in.
        """
        return max(1, sum(instance.threads for instance in self.lane(VISITORS)) // 2)

    @property
    def fair_share(self) -> int:
        """Requests of one client in progress, past which they wait behind everybody else's.
        Browsers open 6 connections.
        """
        return max(6, 2 * sum(instance.threads for instance in self.lane(VISITORS)))

    @property
    def upload_share(self) -> int:
        """Bytes of bodies that one client may be sending to one instance, beside one of any
        size.
        """
        return self.limits.concurrent_uploads_per_address // len(self.lane(VISITORS))

    @property
    def programs(self) -> tuple[str, ...]:
        """What supervisorctl calls the processes, in the order they start."""
        return ("zeo", *(instance.name for instance in self.instances), "haproxy")

    def listeners(self) -> Iterator[Listener]:
        """Every TCP address that the stack opens."""
        for address in self.balancer.http_address:
            yield Listener("haproxy", address, "http-address")
        for address in self.tls.https_address:
            yield Listener("haproxy (https)", address, "https-address")
        yield Listener("haproxy's status page", self.balancer.stats_address, "stats-address")
        yield Listener("zeo", self.storage.zeo_address, "zeo-address")
        for instance in self.instances:
            yield Listener(instance.name, instance.address, "base-port")
            yield Listener(f"{instance.name}'s agent", instance.agent, "agent-base-port")


def _features() -> dict[str, Any]:
    hints = get_type_hints(Stack)
    return {
        each.name: hints[each.name]
        for each in fields(Stack)
        if isinstance(hints[each.name], type) and issubclass(hints[each.name], Feature)
    }


#: The features that a Stack is composed of, by its field.
FEATURES = _features()

#: Every option of [stack] by name. Parsing, the error for an unknown name, the reference in docs/
#: and the comments in buildout.cfg come from it.
OPTIONS: dict[str, Option] = {
    each.name: each for cls in (Instances, *FEATURES.values()) for each in options(cls)
}
