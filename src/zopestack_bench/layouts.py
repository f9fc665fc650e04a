"""Layouts: some instances, and the balancer in front of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zopestack.features.instances import Instance
from zopestack.features.option import options
from zopestack.model import FEATURES, OPTIONS, Stack
from zopestack_bench.farm import Farm
from zopestack_bench.probe import fetch
from zopestack_bench.target import Target, roots, supervised


@dataclass(frozen=True)
class Layout:
    """One way to serve a Zope.

    :param name: short, for tables and plots: instances x threads, or the peer's name.
    :param help: one sentence for the report.
    :param serve: starts it on a farm, and stops it again.
    :param threads: of each instance that it uses.
    :param lasting: whether it is started once for all rounds, since that takes seconds.
    :param settings: options of [stack] that differ from the farm's.
    :param templates: templates in place of the product's, as ``templates`` of [stack].
    """

    name: str
    help: str
    instances: int
    threads: int
    serve: Callable[[Farm, Layout], AbstractContextManager[Target]] = field(repr=False)
    lasting: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    templates: Path | None = None


@contextmanager
def direct(farm: Farm, layout: Layout) -> Iterator[Target]:
    """The first instance itself, without a balancer."""
    instances = farm.instances(1, layout.threads)
    yield Target(instances[0].address, roots(farm, instances), instances)


@contextmanager
def generated(farm: Farm, layout: Layout) -> Iterator[Target]:
    """Behind HAProxy, configured and run as bin/buildout does: supervisord starts it and keeps
    its log, which is part of what it costs."""
    instances = farm.instances(layout.instances, layout.threads)
    found = {name: OPTIONS[name].parse(text) for name, text in layout.settings.items()}
    own = farm.stack
    if layout.templates:
        found["templates"] = layout.templates
    stack = _with(replace(own, instances=instances), found)
    with ExitStack() as lasting:
        if "switch-interval" in found:
            lasting.enter_context(switching(instances, found["switch-interval"]))
        yield lasting.enter_context(supervised(farm, stack))


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
def switching(instances: tuple[Instance, ...], seconds: float) -> Iterator[None]:
    """Another switch interval in the running instances, set through a built-in page.

    :raises Broken: where they do not have the page.
    """
    before = [float(fetch(each.address, "/bench-switch-interval")) for each in instances]
    try:
        for each in instances:
            fetch(each.address, f"/bench-switch-interval?seconds={seconds!r}")
        yield
    finally:
        for each, own in zip(instances, before, strict=True):
            fetch(each.address, f"/bench-switch-interval?seconds={own!r}")


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


def counts(wanted: Mapping[str, Layout]) -> dict[int, int]:
    """How many instances a farm needs for these layouts, by number of threads."""
    most: dict[int, int] = {}
    for layout in wanted.values():
        most[layout.threads] = max(most.get(layout.threads, 0), layout.instances)
    return dict(sorted(most.items()))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"
