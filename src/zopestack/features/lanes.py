"""The lanes of a stack: each is a backend of HAProxy with instances and a queue of its own.

Requests of one lane take no thread and no place in the queue of another.
"""

from __future__ import annotations

from dataclasses import dataclass

from zopestack.features.durations import Durations
from zopestack.features.instances import CALLBACKS, VISITORS
from zopestack.features.queue import Queue


@dataclass(frozen=True)
class Lane:
    """One of them.

    :param name: of the backend.
    :param instances: how many it has.
    :param queue: for its requests; of a group, with what its section says.
    :param durations: the same.
    :param group: whose requests it serves; empty for the ordinary ones and for callbacks.
    """

    name: str
    instances: int
    queue: Queue
    durations: Durations
    group: str = ""

    @property
    def visited(self) -> bool:
        """Whether it serves clients."""
        return self.name != CALLBACKS

    @property
    def cookie(self) -> str:
        """The cookie that names a browser's preferred server in it (option ``affinity``)."""
        return f"ZOPESTACK-{self.group}" if self.group else "ZOPESTACK"


def of_a_group(name: str) -> str:
    """The backend of a group. No other section of haproxy.cfg is called so."""
    return f"{VISITORS}-{name}"


def is_lane(backend: str) -> bool:
    """Whether a backend is a lane: of this stack, or of what HAProxy has loaded before."""
    return backend in (VISITORS, CALLBACKS) or backend.startswith(of_a_group(""))
