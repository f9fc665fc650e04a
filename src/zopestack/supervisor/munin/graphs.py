"""The graphs: what each shows, and of which figures it is made."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from zopestack.features.lanes import is_lane
from zopestack.figure import INSTANCE
from zopestack.model import Stack
from zopestack.supervisor.figures import Figures, Values
from zopestack.supervisor.munin.machine import context_switches, rescheduling_interrupts

#: Of a graph's names and of its fields (Munin's guide, "Notes on field names").
FIELD = re.compile(r"[^A-Za-z0-9_]")

#: A counter has whole numbers only (rrdcreate(1), DERIVE), so seconds are told in milliseconds.
MILLISECONDS = 1000


@dataclass(frozen=True)
class Of:
    """The values of a figure by one label, each so many times."""

    figure: str
    label: str = INSTANCE
    times: int = 1

    def __call__(self, figures: Figures) -> Values:
        """The values."""
        found = figures.by(self.figure, self.label)
        return {label: self.times * value for label, value in found.items()}


@dataclass(frozen=True)
class Graph:
    """One graph.

    :param name: of the graph, unique in the stack.
    :param axis: of the values, with their unit.
    :param says: what a person learns from it.
    :param values: by what each line is called.
    :param counts: whether the values grow for ever, so that their growth a second is shown.
    :param stacked: whether the sum is of interest.
    :param over: by the same names: what the growth is divided by.
    :param base: 1024 for bytes.
    """

    name: str
    title: str
    axis: str
    says: str
    values: Callable[[Figures], Values]
    counts: bool = True
    stacked: bool = False
    over: Callable[[Figures], Values] | None = None
    base: int = 1000

    def lines(self, stack: Stack, figures: Figures) -> list[str]:
        """What each line is called; those of instances stay when one does not answer."""
        of_instances = isinstance(self.values, Of) and self.values.label == INSTANCE
        instances = [each.name for each in stack.instances if of_instances]
        return [*dict.fromkeys([*instances, *self.values(figures)])]


def field(name: str) -> str:
    """The name of a field for Munin; it replaces a digit at the start, so that 200 would be 500."""
    plain = FIELD.sub("_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain


def _machine(figures: Figures) -> Values:
    found = {"context switches": float(context_switches())}
    interrupts = rescheduling_interrupts()
    return found if interrupts is None else {**found, "rescheduling interrupts": interrupts}


def _queued(figures: Figures) -> Values:
    found = figures.by("haproxy_backend_current_queue", "proxy")
    return {lane: value for lane, value in found.items() if is_lane(lane)}


GRAPHS = (
    Graph(
        "requests",
        "Requests",
        "requests a second",
        "Requests that each instance has answered.",
        Of("zopestack_request_seconds_count"),
        stacked=True,
    ),
    Graph(
        "statuses",
        "Statuses",
        "requests a second",
        "What clients were answered.",
        Of("zopestack_request_seconds_count", "status"),
        stacked=True,
    ),
    Graph(
        "latency",
        "Time for a request",
        "milliseconds",
        "How long a thread works on a request, on average.",
        Of("zopestack_request_seconds_sum", times=MILLISECONDS),
        over=Of("zopestack_request_seconds_count"),
    ),
    Graph(
        "wait",
        "Wait for a thread",
        "milliseconds",
        "How long a request waits until a thread begins with it, on average.",
        Of("zopestack_request_wait_seconds_sum", times=MILLISECONDS),
        over=Of("zopestack_request_wait_seconds_count"),
    ),
    Graph(
        "busy",
        "Busy threads",
        "threads",
        "Threads that work on a request now. Where all do, requests wait.",
        Of("zopestack_busy"),
        counts=False,
        stacked=True,
    ),
    Graph(
        "queue",
        "Queue",
        "requests",
        "Requests that wait in HAProxy now. A queue that is often there asks for more instances.",
        _queued,
        counts=False,
    ),
    Graph(
        "conflicts",
        "Conflicts",
        "conflicts a second",
        "Commits that failed because another one had changed the same objects, by database.",
        Of("zopestack_zodb_conflicts_total", "database"),
    ),
    Graph(
        "memory",
        "Memory",
        "bytes",
        "Memory of each instance; what several share is divided among them.",
        Of("zopestack_memory_pss_bytes"),
        counts=False,
        stacked=True,
        base=1024,
    ),
    Graph(
        "gil",
        "Wait for the interpreter lock",
        "milliseconds a second",
        "Time for which threads in a request wait for another thread of their own process. More "
        "instances with fewer threads wait less.",
        Of("zopestack_gil_wait_seconds_total", times=MILLISECONDS),
        stacked=True,
    ),
    Graph(
        "switches",
        "Rescheduling interrupts and context switches",
        "a second",
        "Of the whole machine. Threads that fight for the interpreter lock make both grow; this is "
        "the graph of the post of 2010.",
        _machine,
    ),
)
