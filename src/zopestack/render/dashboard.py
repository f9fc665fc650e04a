"""The dashboard of Grafana: its name, what it lets a person choose, and where its panels are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from zopestack.model import Stack
from zopestack.render.panels import STACK, Panel, rows

#: What the variables offer: the jobs of Prometheus that are stacks, and the instances of one.
JOBS = "label_values(zopestack_status, job)"
INSTANCES = f"label_values(zopestack_status{{{STACK}}}, instance_name)"

#: Columns of Grafana's grid, and those and the rows of it that a panel takes.
GRID, WIDTH, HEIGHT = 24, 8, 8


@dataclass(frozen=True)
class Place:
    """Where a panel or a heading stands.

    :param number: its own in the dashboard.
    :param panel: None for the heading of a row.
    """

    number: int
    x: int
    y: int
    width: int
    height: int
    title: str
    panel: Panel | None = None


def uid(stack: Stack) -> str:
    """What Grafana knows the dashboard and its data source by; another stack of the machine has
    another one.
    """
    return f"zope-{hashlib.sha256(str(stack.directory).encode()).hexdigest()[:16]}"


def places(stack: Stack) -> Iterator[Place]:
    """Every heading and panel, from the top to the bottom."""
    number = y = 0
    for row in rows(stack):
        number += 1
        yield Place(number, 0, y, GRID, 1, row.title)
        y += 1
        for index, panel in enumerate(row.panels):
            number += 1
            line, column = divmod(index, GRID // WIDTH)
            yield Place(
                number, column * WIDTH, y + line * HEIGHT, WIDTH, HEIGHT, panel.title, panel
            )
        y += HEIGHT * -(-len(row.panels) // (GRID // WIDTH))
