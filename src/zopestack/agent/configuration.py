"""What an agent is told, through its instance's environment.

The recipe writes these variables into zope.conf, the agent reads them: both through
this class, so the names stand once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "ZOPESTACK_"


@dataclass(frozen=True)
class Configuration:
    """Settings of one agent.

    :param name: the instance's name.
    :param host: address of the health port.
    :param port: the health port.
    :param http_host: address on which the instance itself serves.
    :param http_port: port on which the instance itself serves.
    :param threads: worker threads of the instance.
    :param stop_grace: seconds that requests get to finish after a stop signal.
    :param drain_delay: seconds after which every balancer has seen the instance drain.
    :param hung_after: seconds in one request after which a thread counts as stuck.
    :param body_timeout: seconds that the beginning of a request's body may take.
    :param warm_up: paths fetched on the instance itself before it takes traffic.
    :param switch_interval: seconds a thread may keep the interpreter lock while another
        waits for it; None for Python's own.
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
    body_timeout: float
    warm_up: tuple[str, ...] = ()
    switch_interval: float | None = None

    def environment(self) -> dict[str, str]:
        """The variables that :meth:`read` understands."""
        texts = {name: str(value) for name, value in vars(self).items() if value is not None}
        texts["warm_up"] = " ".join(self.warm_up)
        return {PREFIX + name.upper(): text for name, text in texts.items() if text}

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Configuration:
        """The settings in an environment.

        :raises KeyError: where a variable is missing: zope.conf was not made by zopestack.
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
            body_timeout=float(text("body_timeout")),
            warm_up=tuple(environment.get(PREFIX + "WARM_UP", "").split()),
            switch_interval=float(environment.get(PREFIX + "SWITCH_INTERVAL", 0)) or None,
        )
