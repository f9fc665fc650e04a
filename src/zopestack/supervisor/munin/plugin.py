"""What Munin asks the plugin, and the answers (Munin's guide, "Protocol for Plugins").

One plugin has all graphs (its guide, "Multigraph plugins"), so that the stack is asked once.
"""

from __future__ import annotations

from collections.abc import Iterator

from zopestack.model import Stack
from zopestack.supervisor.figures import Figures
from zopestack.supervisor.munin.graphs import GRAPHS, Graph, field

#: The group of graphs in Munin's pages.
CATEGORY = "zope"

#: How Munin spells a value that nobody knows.
UNKNOWN = "U"

#: The field of what a value is divided by.
COUNT = "_count"


def config(stack: Stack, figures: Figures, prefix: str) -> Iterator[str]:
    """The lines that describe the graphs.

    :param prefix: what the names of all begin with; unique on the machine.
    """
    for graph in GRAPHS:
        yield f"multigraph {prefix}_{graph.name}"
        yield f"graph_title {graph.title} ({stack.directory.name})"
        yield f"graph_category {CATEGORY}"
        yield f"graph_vlabel {graph.axis}"
        yield f"graph_info {graph.says}"
        yield f"graph_args --base {graph.base} --lower-limit 0"
        for name in graph.lines(stack, figures):
            yield from _field(graph, name)


def _field(graph: Graph, name: str) -> Iterator[str]:
    this = field(name)
    kind = "DERIVE" if graph.counts else "GAUGE"
    yield f"{this}.label {name}"
    yield f"{this}.type {kind}"
    yield f"{this}.min 0"
    yield f"{this}.draw {'AREASTACK' if graph.stacked else 'LINE1'}"
    if graph.over:
        yield f"{this}.cdef {this},{this}{COUNT},/"
        yield f"{this}{COUNT}.label {name}"
        yield f"{this}{COUNT}.type {kind}"
        yield f"{this}{COUNT}.min 0"
        yield f"{this}{COUNT}.graph no"


def values(stack: Stack, figures: Figures, prefix: str) -> Iterator[str]:
    """The lines with the values of now.

    :param prefix: as for :func:`config`.
    """
    for graph in GRAPHS:
        yield f"multigraph {prefix}_{graph.name}"
        found, over = graph.values(figures), graph.over(figures) if graph.over else {}
        for name in graph.lines(stack, figures):
            yield f"{field(name)}.value {_told(found.get(name))}"
            if graph.over:
                yield f"{field(name)}{COUNT}.value {_told(over.get(name))}"


def _told(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f}"
