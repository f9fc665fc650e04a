"""The agent's settings, passed through the environment of its instance.

The recipe writes these variables into zope.conf and the agent reads them. Both use this class,
so that each name is defined once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "ZOPESTACK_"

#: Set by the loader in its forks, not by the recipe.
WARMED = PREFIX + "WARMED"


@dataclass(frozen=True)
class Configuration:
    """Settings of one agent.

    :param name: the instance's name.
    :param host: address of the agent's port.
    :param port: the agent's port.
    :param http_host: address on which the instance serves requests.
    :param http_port: port on which the instance serves requests.
    :param threads: number of worker threads of the instance.
    :param stop_grace: seconds that running requests may take after a stop signal.
    :param drain_delay: seconds after which every balancer has seen that the instance drains.
    :param hung_after: seconds after which a thread that is still in one request counts as stuck.
    :param stuck_after: seconds after which a request that comes again was stuck elsewhere.
    :param request_timeout: seconds after which a request is interrupted.
    :param long_request: seconds after which a request that still runs is logged.
    :param body_timeout: seconds that the first part of a request body may take.
    :param conflicts: the file that all instances lock when requests conflict.
    :param warm_up: paths to fetch from the instance before it serves clients.
    :param switch_interval: seconds for which a thread may keep the interpreter lock while another
        one waits for it; None for Python's default.
    :param mount_points: the paths in Zope where other databases are mounted.
    :param drained: a file that is there while the instance is drained by hand.
    :param stacks: the file to which the stack of every thread is written on a signal.
    :param jobs: the file in which backups and packs are noted.
    :param haproxy: the socket of HAProxy's runtime API; empty where it does not know the instance.
    :param server: what HAProxy calls the instance: backend and name.
    :param hosts: addresses of the hosts of the stack, which alone may connect; none where the
        instance listens on loopback.
    :param balancers: of these, those with HAProxy.
    :param warmed: of the warm-up paths, those that the process of which this is a fork has fetched.
    """

    name: str
    host: str
    port: int
    http_host: str
    http_port: int
    threads: int
    stop_grace: float
    drain_delay: float
    hung_after: float
    stuck_after: float
    request_timeout: float
    long_request: float
    body_timeout: float
    conflicts: str
    warm_up: tuple[str, ...] = ()
    switch_interval: float | None = None
    mount_points: tuple[str, ...] = ()
    drained: str = ""
    stacks: str = ""
    jobs: str = ""
    haproxy: str = ""
    server: str = ""
    hosts: tuple[str, ...] = ()
    balancers: tuple[str, ...] = ()
    warmed: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        """Return the environment variables that :meth:`read` reads."""
        texts = {
            name: " ".join(value) if isinstance(value, tuple) else str(value)
            for name, value in vars(self).items()
            if value is not None
        }
        return {PREFIX + name.upper(): text for name, text in texts.items() if text}

    @property
    def cold(self) -> tuple[str, ...]:
        """The warm-up paths that this process has to fetch.

        A fork finds the code, templates and caches of the others loaded. Its own first one opens
        the database, and loads the objects that most pages have in common.
        """
        return tuple(
            path for path in self.warm_up if path == self.warm_up[0] or path not in self.warmed
        )

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Configuration:
        """Return the settings from an environment.

        :raises KeyError: if a variable is missing, because zopestack did not write zope.conf.
        """

        def text(name: str) -> str:
            return environment[PREFIX + name.upper()]

        return cls(
            name=text("name"),
            host=text("host"),
            port=int(text("port")),
            http_host=text("http_host"),
            http_port=int(text("http_port")),
            threads=int(text("threads")),
            stop_grace=float(text("stop_grace")),
            drain_delay=float(text("drain_delay")),
            hung_after=float(text("hung_after")),
            stuck_after=float(text("stuck_after")),
            request_timeout=float(text("request_timeout")),
            long_request=float(text("long_request")),
            body_timeout=float(text("body_timeout")),
            conflicts=text("conflicts"),
            warm_up=tuple(environment.get(PREFIX + "WARM_UP", "").split()),
            switch_interval=float(environment.get(PREFIX + "SWITCH_INTERVAL", 0)) or None,
            mount_points=tuple(environment.get(PREFIX + "MOUNT_POINTS", "").split()),
            drained=environment.get(PREFIX + "DRAINED", ""),
            stacks=environment.get(PREFIX + "STACKS", ""),
            jobs=environment.get(PREFIX + "JOBS", ""),
            haproxy=environment.get(PREFIX + "HAPROXY", ""),
            server=environment.get(PREFIX + "SERVER", ""),
            hosts=tuple(environment.get(PREFIX + "HOSTS", "").split()),
            balancers=tuple(environment.get(PREFIX + "BALANCERS", "").split()),
            warmed=tuple(environment.get(WARMED, "").split()),
        )
