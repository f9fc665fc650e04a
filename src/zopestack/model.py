"""The Stack: the one description of a deployment, from which every file is derived.

Pure data: frozen values and what follows from them, no input or output. ``settings``
builds it and has checked it; nobody downstream checks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zopestack.address import Address
from zopestack.frontend.model import Frontend

#: Seconds between two health checks of an instance.
CHECK_INTERVAL = 1

#: Seconds an instance gets from its start to its first answer: Plone on a slow machine,
#: several times over.
START_SECONDS = 180

#: Seconds an instance that is to stop keeps serving, so that the balancer has seen its 404:
#: the check after the next one is over by then.
DRAIN_DELAY = 2 * CHECK_INTERVAL

#: Seconds between a stop signal and a kill, for what is left when nothing is in flight:
#: waitress waits up to 5 s for its threads, then Zope closes the database (FACTS,
#: "Starting and stopping Zope").
STOP_SECONDS = 15

#: Bytes of a log file before it is rotated, and how many old ones are kept.
LOG_BYTES = 10 * 1024 * 1024
LOG_FILES = 3

#: The lane of ordinary requests, and the one kept for requests of the instances themselves.
VISITORS = "zope"
CALLBACKS = "callback"
LANES = (VISITORS, CALLBACKS)


@dataclass(frozen=True)
class Instance:
    """One Zope process.

    :param agent: where its agent answers ``GET /health``.
    :param lane: the backend of the balancer that it belongs to.
    :param switch_interval: seconds a thread may keep the interpreter lock while another
        waits for it; None for Python's own.
    """

    name: str
    address: Address
    agent: Address
    threads: int
    lane: str = VISITORS
    switch_interval: float | None = None

    @property
    def maxconn(self) -> int:
        """Requests the balancer sends at once: one a thread.

        More costs throughput, since they queue inside one instance while another has a
        free thread (FACTS, "HAProxy in front of waitress").
        """
        return self.threads


@dataclass(frozen=True)
class Balancer:
    """HAProxy: where visitors and operators reach it, which program it is, its threads."""

    http: Address
    stats: Address
    executable: Path
    nbthread: int = 1


@dataclass(frozen=True)
class Listener:
    """An address one of the processes opens, and the option that moves it."""

    process: str
    address: Address
    option: str


@dataclass(frozen=True)
class Stack:
    """A whole deployment on one machine.

    :param directory: the buildout's directory; ``bin`` and ``parts`` are the buildout's own.
    :param var: where everything lives that changes while the stack runs.
    :param user: name of the first manager; the password is in :attr:`password_file`.
    :param eggs: distributions every instance imports.
    :param stop_grace: seconds that requests in flight get to finish when an instance stops.
    :param hung_after: seconds in one request after which a thread counts as stuck.
    :param warm_up: paths an instance fetches from itself before it takes traffic.
    :param memory_limit: resident memory (``500MB``, ``2GB``) past which an instance is restarted;
        empty for no limit.
    :param templates: a directory that wins over the packaged templates, file by file.
    """

    directory: Path
    bin: Path
    parts: Path
    var: Path
    instances: tuple[Instance, ...]
    zeo: Address
    balancer: Balancer
    user: str
    eggs: tuple[str, ...]
    stop_grace: int
    hung_after: int
    warm_up: tuple[str, ...] = ()
    memory_limit: str = ""
    templates: Path | None = None
    frontend: Frontend = field(default_factory=Frontend)

    @property
    def logs(self) -> Path:
        """Directory of every log file."""
        return self.var / "log"

    @property
    def access_log(self) -> Path:
        """Where HAProxy's line for every request goes."""
        return self.logs / "access.log"

    @property
    def database(self) -> Path:
        """The FileStorage that ZEO serves."""
        return self.var / "filestorage" / "Data.fs"

    @property
    def blobs(self) -> Path:
        """The blob directory that ZEO and the instances share."""
        return self.var / "blobstorage"

    @property
    def password_file(self) -> Path:
        """Where the first manager's password lies, readable by its owner only."""
        return self.var / "admin-password"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisorctl reaches supervisord."""
        return self.var / "supervisor.sock"

    @property
    def haproxy_socket(self) -> Path:
        """HAProxy's runtime API."""
        return self.var / "haproxy.sock"

    @property
    def configuration(self) -> Path:
        """Directory of the rendered files."""
        return self.parts / "stack-files"

    @property
    def haproxy_conf(self) -> Path:
        """The rendered HAProxy configuration."""
        return self.configuration / "haproxy.cfg"

    @property
    def supervisord_conf(self) -> Path:
        """The rendered supervisord configuration."""
        return self.configuration / "supervisord.conf"

    @property
    def slots_lua(self) -> Path:
        """What gives an instance's slot back while a response is still being delivered."""
        return self.configuration / "slots.lua"

    @property
    def sites_map(self) -> Path:
        """Which object in Zope a host and path show."""
        return self.configuration / "sites.map"

    @property
    def redirects_map(self) -> Path:
        """Which host another one leads to."""
        return self.configuration / "redirects.map"

    @property
    def acme_lua(self) -> Path:
        """What answers a certificate authority's challenges from a directory."""
        return self.configuration / "acme.lua"

    @property
    def stack_file(self) -> Path:
        """This value itself, for the operator commands."""
        return self.configuration / "stack.json"

    @property
    def unavailable_page(self) -> Path:
        """What visitors see when no instance can serve them."""
        return self.configuration / "503.html"

    @property
    def balancer_files(self) -> tuple[Path, ...]:
        """Every rendered file that HAProxy is given."""
        return (
            self.haproxy_conf,
            self.slots_lua,
            self.acme_lua,
            self.sites_map,
            self.redirects_map,
            self.unavailable_page,
        )

    @property
    def server_state(self) -> Path:
        """Where the state of the instances is handed from one HAProxy to the next."""
        return self.var / "haproxy.state"

    @property
    def stop_seconds(self) -> int:
        """From a stop signal to a kill, for an instance and for HAProxy."""
        return self.stop_grace + DRAIN_DELAY + STOP_SECONDS

    @property
    def sockets(self) -> tuple[Path, ...]:
        """Every unix socket."""
        return self.supervisor_socket, self.haproxy_socket

    def lane(self, name: str) -> tuple[Instance, ...]:
        """The instances of a lane."""
        return tuple(instance for instance in self.instances if instance.lane == name)

    @property
    def favourites(self) -> tuple[tuple[str, Instance], ...]:
        """By what affinity calls an instance: its name in a cookie, else its number."""
        return tuple(
            (instance.name if self.frontend.affinity == "cookie" else str(number), instance)
            for number, instance in enumerate(self.lane(VISITORS), 1)
        )

    @property
    def own_ports(self) -> tuple[int, ...]:
        """Ports of a host name that mean this front end: its own, and the usual ones, which
        a router or a firewall may lead here.
        """
        tls = self.frontend.tls
        own = {80, 443, self.balancer.http.port} | ({tls.address.port} if tls else set())
        return tuple(sorted(own))

    @property
    def threads(self) -> int:
        """Requests the whole stack works on at once."""
        return sum(instance.threads for instance in self.instances)

    @property
    def programs(self) -> tuple[str, ...]:
        """What supervisorctl calls the processes, in the order they start."""
        return ("zeo", *(instance.name for instance in self.instances), "haproxy")

    def listeners(self) -> Iterator[Listener]:
        """Every TCP address the stack opens."""
        yield Listener("haproxy", self.balancer.http, "http-address")
        if self.frontend.tls:
            yield Listener("haproxy (https)", self.frontend.tls.address, "https-address")
        yield Listener("haproxy's status page", self.balancer.stats, "stats-address")
        yield Listener("zeo", self.zeo, "zeo-address")
        for instance in self.instances:
            yield Listener(instance.name, instance.address, "base-port")
            yield Listener(f"{instance.name}'s agent", instance.agent, "agent-base-port")
