"""A layout that is running: where it takes requests, and which processes it has."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from zopestack.features.address import Address
from zopestack.features.instances import Instance
from zopestack.features.option import options
from zopestack.model import FEATURES, OPTIONS, Stack
from zopestack.render.files import balancer
from zopestack.supervisor.client import Supervisor
from zopestack_bench import Broken, proc
from zopestack_bench.farm import Farm, rendered
from zopestack_bench.layouts import Layout
from zopestack_bench.probe import PATIENCE, fetch, status, until
from zopestack_bench.slow import slow_clients

#: supervisord's states of a program that starts or runs, and of one that does not.
STARTS = ("STARTING", "RUNNING")
STOPPED = ("STOPPED", "EXITED", "FATAL")

#: What is better than any of them.
ANSWERS = "answers"

#: How much of the log of a program that does not start is shown.
LOG_BYTES = 1000

#: Processes that use less than this share of a core over so many seconds are idle.
SETTLED_SHARE = 0.1
SETTLED_SECONDS = 0.5


@dataclass(frozen=True)
class Target:
    """A layout that is running.

    :param roots: ids of its first processes by role: ``zope``, ``balancer``, ``zeo``.
    :param instances: the instances of the farm that it uses.
    :param helpers: supervisord and what it runs beside instances, ZEO and HAProxy, such as the
        writer of the access log. They are counted without their descendants: those of
        supervisord are every process of the farm.
    :param crowd: processes of slow clients: neither cost of the layout nor another user's.
    :param client: as of the :class:`Layout`.
    """

    address: Address
    roots: Mapping[str, tuple[int, ...]]
    instances: tuple[Instance, ...] = ()
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


@contextmanager
def running(farm: Farm, layout: Layout) -> Iterator[Target]:
    """The layout on a farm, ready for requests.

    :raises Broken: where its program does not start; with the last lines of its log.
    """
    instances = () if layout.embeds else farm.instances(layout.instances, layout.threads)
    with ExitStack() as held:
        if layout.command:
            address = _peer(farm, layout)
        elif layout.program:
            address = held.enter_context(_haproxy(farm, layout, instances))
        else:
            address = instances[0].address
        processes = farm.supervised()
        roots: dict[str, tuple[int, ...]] = {"zeo": (processes["zeo"].pid,)}
        if layout.program:
            role = "zope" if layout.embeds else "balancer"
            roots[role] = (processes[layout.program].pid,)
        if instances:
            roots["zope"] = tuple(processes[each.name].pid for each in instances)
        crowd = held.enter_context(slow_clients(address, layout.slow))
        helpers = _helpers(farm) if layout.program == "haproxy" else ()
        yield Target(address, roots, instances, helpers, crowd, layout.client)


def _peer(farm: Farm, layout: Layout) -> Address:
    """The address of a peer; it runs until the farm ends."""
    address = farm.addresses[layout.program]
    if farm.supervised()[layout.program].state not in STARTS:
        vcl = rendered("default.vcl.j2", instances=farm.instances(layout.instances, 1))
        (farm.directory / "default.vcl").write_text(vcl, encoding="utf-8")
        _start(farm, layout.program, address)
        Target(address, {"zope": (farm.pid(layout.program),)}).settle()
    return address


@contextmanager
def _haproxy(farm: Farm, layout: Layout, instances: tuple[Instance, ...]) -> Iterator[Address]:
    """HAProxy, configured and run as bin/buildout does: supervisord starts it and keeps its log,
    which is part of what it costs."""
    found = {name: OPTIONS[name].parse(text) for name, text in layout.settings.items()}
    if layout.templates:
        found["templates"] = layout.templates
    stack = _with(replace(farm.stack, instances=instances), found)
    for path, text in balancer(stack).items():
        path.write_text(text, encoding="utf-8")
    with ExitStack() as held:
        if "switch-interval" in found:
            held.enter_context(_switching(instances, found["switch-interval"]))
        held.callback(_stop, farm, layout.program)
        _start(farm, layout.program, stack.balancer.local_address)
        yield stack.balancer.local_address


def _with(stack: Stack, settings: Mapping[str, object]) -> Stack:
    """The Stack with other values of these options."""
    changed = {
        name: {
            option.name.replace("-", "_"): settings[option.name]
            for option in options(feature)
            if option.name in settings
        }
        for name, feature in FEATURES.items()
    }
    return replace(stack, **{x: replace(getattr(stack, x), **own) for x, own in changed.items()})


@contextmanager
def _switching(instances: tuple[Instance, ...], seconds: float) -> Iterator[None]:
    """Another switch interval in the running instances, set through a built-in page."""
    before = [float(fetch(each.address, "/bench-switch-interval")) for each in instances]
    try:
        for each in instances:
            fetch(each.address, f"/bench-switch-interval?seconds={seconds!r}")
        yield
    finally:
        for each, own in zip(instances, before, strict=True):
            fetch(each.address, f"/bench-switch-interval?seconds={own!r}")


def _start(farm: Farm, program: str, address: Address) -> None:
    """Start a program, and wait until it answers: gunicorn listens before it has loaded Zope."""
    supervisor = Supervisor(farm.stack.supervisor_socket)
    # Do not wait for startsecs: it answers long before.
    supervisor.start(program)

    def seen() -> str:
        return ANSWERS if status(address) else farm.supervised()[program].state

    if until(f"{program} to answer", seen, lambda state: state not in STARTS) != ANSWERS:
        log = supervisor.rpc.readProcessStdoutLog(program, -LOG_BYTES, 0)
        raise Broken(f"{program} does not start:\n{log}")


def _stop(farm: Farm, program: str) -> None:
    def state() -> str:
        return farm.supervised()[program].state

    # It may have ended by itself.
    Supervisor(farm.stack.supervisor_socket).stop(program)
    # Then at the latest, supervisord kills it.
    longest = farm.stack.longest_stop + PATIENCE
    until(f"{program} to stop", state, lambda found: found in STOPPED, longest)


def _helpers(farm: Farm) -> tuple[int, ...]:
    counted = {"haproxy", "zeo", *farm.addresses, *(each.name for each in farm.stack.instances)}
    programs = {each.pid for name, each in farm.supervised().items() if name in counted}
    served = {pid for program in programs if program for pid in proc.family(program)}
    supervisord = Supervisor(farm.stack.supervisor_socket).pid()
    return tuple(pid for pid in proc.family(supervisord) if pid not in served)
