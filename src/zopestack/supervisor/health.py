"""Ask an instance's agent for its report, from another process."""

from __future__ import annotations

import json
from dataclasses import dataclass

from zopestack.features.instances import Instance
from zopestack.probe import probe

#: Timeout in seconds; an agent answers from a thread of its own within milliseconds.
TIMEOUT = 5.0

#: The status of an instance that drains.
DRAINING = 404


@dataclass(frozen=True)
class Report:
    """What an agent reports (see ``zopestack.agent.health``).

    :param status: 200 serving, 404 draining, 503 not ready, hung or cut off from storage.
    :param why: the reason as text.
    :param switch_interval: seconds for which a thread may keep the interpreter lock while another
        one waits for it.
    :param seen: whether every balancer that asks has taken this answer.
    """

    status: int
    why: str
    pid: int
    uptime: float
    threads: int
    busy: int
    in_flight: int
    queue: int
    requests: int
    switch_interval: float
    seen: bool

    @property
    def healthy(self) -> bool:
        """Whether the instance may be given requests."""
        return self.status == 200


def ask(instance: Instance) -> Report | None:
    """Return the report of an instance's agent, or None if the agent does not answer."""
    try:
        told = json.loads(probe(instance.agent, "/health", timeout=TIMEOUT).body)
        return Report(**{name: told[name] for name in Report.__dataclass_fields__})
    except (OSError, ValueError, KeyError):
        return None
