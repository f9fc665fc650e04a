"""What is measured: layouts, each one way to serve a Zope, and a layout that is running."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from zopestack.features.address import Address
from zopestack.features.instances import Instance
from zopestack.haproxy.runtime import Runtime
from zopestack_bench import proc
from zopestack_bench.farm import Farm
from zopestack_bench.probe import until
from zopestack_bench.slow import Slow, slow_clients

#: Processes that use less than this share of a core over so many seconds are idle.
SETTLED_SHARE = 0.1
SETTLED_SECONDS = 0.5


@dataclass(frozen=True)
class Target:
    """A layout that is running: where it takes requests, and which processes it has.

    :param roots: ids of its first processes by role: ``zope``, ``balancer``, ``zeo``.
    :param instances: the instances of the farm that it uses.
    :param runtime: HAProxy's runtime API, where HAProxy balances.
    :param helpers: supervisord and what it runs beside instances, ZEO and HAProxy, such as the
        writer of the access log. They are counted without their descendants: those of
        supervisord are every process of the farm.
    :param crowd: processes of slow clients: neither cost of the layout nor another user's.
    :param client: the address that requests come from; empty for 127.0.0.1, which the generated
        HAProxy limits less than others.
    """

    address: Address
    roots: Mapping[str, tuple[int, ...]]
    instances: tuple[Instance, ...] = ()
    runtime: Runtime | None = None
    helpers: tuple[int, ...] = ()
    crowd: tuple[int, ...] = ()
    client: str = ""

    @property
    def processes(self) -> dict[str, tuple[int, ...]]:
        """All its processes now by role, with their descendants."""
        found = {
            role: tuple(pid for root in roots for pid in proc.family(root))
            for role, roots in self.roots.items()
        }
        return {**found, "helpers": self.helpers} if self.helpers else found

    def settle(self, seconds: float = SETTLED_SECONDS) -> None:
        """Return when the processes are idle: loaded, with no request in progress.

        :param seconds: of one observation of them.
        """

        def idle() -> bool:
            pids = [pid for pids in self.processes.values() for pid in pids]
            before = proc.usage(pids).cpu
            time.sleep(seconds)
            return proc.usage(pids).cpu - before < SETTLED_SHARE * seconds

        until("the layout to be idle", idle)


@dataclass(frozen=True)
class Layout:
    """One way to serve a Zope.

    :param name: short, for tables and plots: instances x threads, or the peer's name.
    :param help: one sentence for the report.
    :param threads: of each instance that it uses.
    :param serve: starts it on a farm, and stops it again.
    :param lasting: whether it is started once for all rounds, since that takes seconds.
    :param settings: options of [stack] that differ from the farm's.
    :param templates: templates in place of the product's, as ``templates`` of [stack].
    :param client: as of the :class:`Target`.
    :param slow: slow clients that it has while it runs.
    """

    name: str
    help: str
    instances: int
    threads: int
    serve: Callable[[Farm, Layout], AbstractContextManager[Target]] = field(repr=False)
    lasting: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    templates: Path | None = None
    client: str = ""
    slow: tuple[Slow, ...] = ()

    @contextmanager
    def running(self, farm: Farm) -> Iterator[Target]:
        """The layout on a farm, ready for requests."""
        with (
            self.serve(farm, self) as target,
            slow_clients(target.address, self.slow) as crowd,
        ):
            yield replace(target, client=self.client, crowd=crowd)


def roots(farm: Farm, instances: tuple[Instance, ...]) -> dict[str, tuple[int, ...]]:
    """The processes of these instances and of ZEO."""
    return {"zope": tuple(farm.pid(x.name) for x in instances), "zeo": (farm.pid("zeo"),)}


def tail(log: Path) -> str:
    """The last lines of a log, for the message of an error."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
