"""Ask an instance's agent how it is, from outside."""

from __future__ import annotations

import json
from dataclasses import dataclass

from zopestack.features.instances import Instance
from zopestack.probe import probe

#: Seconds an agent gets; it answers from a thread of its own in milliseconds.
PATIENCE = 5.0


@dataclass(frozen=True)
class Report:
    """What an agent says (see ``zopestack.agent.health``).

    :param status: 200 serving, 404 draining, 503 not ready, hung or cut off from storage.
    :param why: the reason in words.
    :param switch_interval: seconds a thread may keep the lock that another waits for.
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

    @property
    def healthy(self) -> bool:
        """Whether the instance is to be given requests."""
        return self.status == 200


def ask(instance: Instance) -> Report | None:
    """The report of an instance's agent, or None where none answers."""
    try:
        told = json.loads(probe(instance.agent, "/health", patience=PATIENCE).body)
        return Report(**{name: told[name] for name in Report.__dataclass_fields__})
    except (OSError, ValueError, KeyError):
        return None
