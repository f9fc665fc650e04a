"""A layout that is running: where it is asked, and which processes it has."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from zopestack.address import Address
from zopestack.model import Instance
from zopestack.runtime import Runtime
from zopestack_bench import polling, proc

#: Processes that use less than this share of a core over so many seconds are idle.
SETTLED_SHARE = 0.1
SETTLED_SECONDS = 0.5

#: Seconds they get until then.
PATIENCE = 60


@dataclass(frozen=True)
class Target:
    """A layout that is running.

    :param address: where it takes requests.
    :param roots: ids of its first processes by what they are: ``zope``, ``balancer``, ``zeo``.
    :param instances: those of the farm that it uses.
    :param runtime: HAProxy's runtime API, where HAProxy balances.
    :param keepers: processes that keep what the balancer writes, its access log above all.
        They are counted without their descendants: supervisord's are every process of the farm.
    :param crowd: processes that play visitors: neither its cost nor somebody else's.
    :param visitor: the address that requests come from; empty for this machine's own, which
        the generated HAProxy counts and limits less than others.
    """

    address: Address
    roots: Mapping[str, tuple[int, ...]]
    instances: tuple[Instance, ...] = ()
    runtime: Runtime | None = None
    keepers: tuple[int, ...] = ()
    crowd: tuple[int, ...] = ()
    visitor: str = ""

    @property
    def processes(self) -> dict[str, tuple[int, ...]]:
        """All its processes now, with what they have forked."""
        found = {
            role: tuple(pid for root in roots for pid in proc.family(root))
            for role, roots in self.roots.items()
        }
        return {**found, "log": self.keepers} if self.keepers else found

    def settle(self, seconds: float = SETTLED_SECONDS) -> None:
        """Return when the processes have nothing to do: what they load is loaded, and what
        they were asked is done.

        :param seconds: of one look at them.
        """

        def quiet() -> bool:
            pids = [pid for pids in self.processes.values() for pid in pids]
            before = proc.usage(pids).cpu
            time.sleep(seconds)
            return proc.usage(pids).cpu - before < SETTLED_SHARE * seconds

        polling.until(quiet, PATIENCE)
