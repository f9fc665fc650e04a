"""The project's own layouts: an instance alone, or some behind the generated HAProxy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from zopestack.features.instances import Instance
from zopestack.features.option import options
from zopestack.haproxy.runtime import Runtime
from zopestack.model import FEATURES, OPTIONS, Stack
from zopestack.render.files import balancer
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.readiness import listens
from zopestack_bench import Broken, proc
from zopestack_bench.farm import Farm
from zopestack_bench.probe import fetch, until
from zopestack_bench.target import Layout, Target, roots, tail

#: supervisord's states of a program that starts or runs, and of one that does not.
STARTS = ("STARTING", "RUNNING")
STOPPED = ("STOPPED", "EXITED", "FATAL")


def layouts(number: int) -> dict[str, Layout]:
    """The layouts of the project itself, by name.

    :param number: N, how many instances share the machine besides the fixed ones.
    """
    found = [
        Layout("1x4 direct", "one instance with 4 threads, no balancer", 1, 4, direct),
        Layout("1x1 direct", "one instance with 1 thread, no balancer", 1, 1, direct),
    ]
    counts = [(1, 1), (2, 2), (2, 1), (number, 1), (number, 2)]
    found += [generated_layout(count, threads) for count, threads in counts]
    return {layout.name: layout for layout in found}


def generated_layout(count: int, threads: int, settings: Mapping[str, str] | None = None) -> Layout:
    """So many instances of so many threads behind the generated HAProxy.

    :param settings: options of [stack] to try: nbthread, affinity and switch-interval.
    """
    chosen = [f"{option} {value}" for option, value in (settings or {}).items()]
    return Layout(
        " ".join((f"{count}x{threads}", *chosen)),
        f"{_count(count, 'instance')} with {_count(threads, 'thread')} each behind the generated "
        f"HAProxy{' with ' if chosen else ''}{', '.join(chosen)}",
        count,
        threads,
        generated,
        settings=settings or {},
    )


def counts(wanted: Iterable[Layout]) -> dict[int, int]:
    """How many instances a farm needs for these layouts, by number of threads."""
    most: dict[int, int] = {}
    for layout in wanted:
        most[layout.threads] = max(most.get(layout.threads, 0), layout.instances)
    return dict(sorted(most.items()))


@contextmanager
def direct(farm: Farm, layout: Layout) -> Iterator[Target]:
    """The first instance itself, without a balancer."""
    instances = farm.instances(1, layout.threads)
    yield Target(instances[0].address, roots(farm, instances), instances)


@contextmanager
def generated(farm: Farm, layout: Layout) -> Iterator[Target]:
    """Behind HAProxy, configured and run as bin/buildout does: supervisord starts it and keeps
    its log, which is part of what it costs.

    :raises Broken: where HAProxy does not start; with the last lines of its log.
    """
    instances = farm.instances(layout.instances, layout.threads)
    found = {name: OPTIONS[name].parse(text) for name, text in layout.settings.items()}
    if layout.templates:
        found["templates"] = layout.templates
    stack = _with(replace(farm.stack, instances=instances), found)
    with ExitStack() as lasting:
        if "switch-interval" in found:
            lasting.enter_context(_switching(instances, found["switch-interval"]))
        yield lasting.enter_context(_haproxy(farm, stack))


def _with(stack: Stack, settings: Mapping[str, Any]) -> Stack:
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


@contextmanager
def _haproxy(farm: Farm, stack: Stack) -> Iterator[Target]:
    """The farm's own program ``haproxy``, configured for a Stack."""
    for path, text in balancer(stack).items():
        path.write_text(text, encoding="utf-8")
    supervisor = Supervisor(stack.supervisor_socket)
    address, runtime = stack.balancer.local_address, Runtime(stack.haproxy_socket)

    def state() -> str:
        return supervisor.processes()["haproxy"].state

    def listening() -> bool:
        # HAProxy listens on its unix socket a moment after it does on its addresses.
        return listens(address) and bool(runtime.command("show info"))

    # Do not wait for startsecs: it listens long before.
    supervisor.rpc.startProcess("haproxy", False)
    try:
        until("HAProxy to listen", lambda: listening() or state() not in STARTS)
        if state() not in STARTS:
            log = stack.logs / "haproxy.out.log"
            raise Broken(f"HAProxy does not start with {stack.haproxy_conf}:\n{tail(log)}")
        pids = {**roots(farm, stack.instances), "balancer": (farm.pid("haproxy"),)}
        yield Target(address, pids, stack.instances, runtime, _helpers(farm, supervisor))
    finally:
        if state() not in STOPPED:
            supervisor.rpc.stopProcess("haproxy", False)
        until("HAProxy to stop", state, lambda found: found in STOPPED)


def _helpers(farm: Farm, supervisor: Supervisor) -> tuple[int, ...]:
    counted = {"haproxy", "zeo", *(instance.name for instance in farm.stack.instances)}
    programs = {each.pid for name, each in supervisor.processes().items() if name in counted}
    served = {pid for program in programs if program for pid in proc.family(program)}
    return tuple(pid for pid in proc.family(supervisor.pid()) if pid not in served)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"
