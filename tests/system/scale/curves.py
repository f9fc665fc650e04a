"""Draw what many instances need of HAProxy and of their storage, for the documentation.

    .venv/bin/python -m tests.system.scale.curves

It measures what ``balancer`` and ``storage`` beside it do, with 10 to 1,000 instances and with 1 to
32 clients, prints their lines, and writes ``docs/pictures/scale-haproxy.png`` and
``docs/pictures/scale-storage.png``. It takes about 20 minutes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib

matplotlib.use("agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from tests.support.harness import CHECKOUT
from tests.system.scale import balancer, storage

PICTURES = CHECKOUT / "docs" / "pictures"

#: Told apart with any colour vision (Okabe and Ito, 2008).
COLOURS = {"zeo": "#0072B2", "postgresql": "#D55E00"}

#: Inches, and pixels of one.
WIDTH, HEIGHT, RESOLUTION = 8.0, 2.6, 120

#: Enough for lines and text, and half of the bytes.
HUES = 32

#: What HAProxy needs, by what is written beside the axis.
HAPROXY = {
    "MB": ("memory", "reloading"),
    "% of a core,\nnothing to do": ("idle",),
    "µs of CPU\na request": ("request",),
}

#: What one of these is shown as, times the figure.
FACTORS = {"idle": 100.0, "request": 1e6}

LABELS = {"memory": "nothing to do", "reloading": "in a reload"}

STORAGE = {"rate": "commits/s", "server": "ms of the server's\nCPU a commit", "memory": "MB"}


def haproxy(found: Sequence[balancer.Figures]) -> Figure:
    """Memory and CPU against the number of instances."""
    figure, axes = _rows("One HAProxy", len(HAPROXY))
    numbers = [each.instances for each in found]
    for axis, (unit, names) in zip(axes, HAPROXY.items(), strict=True):
        for name, style in zip(names, ("o-", "o--"), strict=False):
            values = [FACTORS.get(name, 1) * getattr(each, name) for each in found]
            axis.plot(numbers, values, style, color="#0072B2", label=LABELS.get(name))
        axis.set_ylabel(unit)
        axis.set_ylim(bottom=0)
    axes[0].legend(frameon=False)
    _numbers(axes[-1], numbers, "instances", base=10)
    return figure


def storages(found: Sequence[Sequence[storage.Figures]]) -> Figure:
    """What one storage does and needs against the number of its clients."""
    figure, axes = _rows("ZEO and PostgreSQL", len(STORAGE))
    for axis, (name, unit) in zip(axes, STORAGE.items(), strict=True):
        for kind, colour in COLOURS.items():
            for every, style in ((True, "o-"), (False, "o--")):
                points = [
                    (rounds[0].number, storage.median(rounds, name))
                    for rounds in found
                    if rounds[0].storage == kind
                    and rounds[0].writers == (rounds[0].number if every else 1)
                ]
                label = f"{kind}, {'every client writes' if every else 'one client writes'}"
                axis.plot(*zip(*points, strict=True), style, color=colour, label=label)
        axis.set_ylabel(unit)
        axis.set_ylim(bottom=0)
    figure.legend(
        *axes[0].get_legend_handles_labels(), frameon=False, loc="outside lower left", ncols=2
    )
    _numbers(axes[-1], sorted({rounds[0].number for rounds in found}), "clients", base=2)
    return figure


def _rows(title: str, rows: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, HEIGHT * rows), layout="constrained")
    axes = list(figure.subplots(rows, 1, sharex=True))
    figure.suptitle(title, x=0.01, horizontalalignment="left")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.3)
    return figure, axes


def _numbers(axis: Axes, numbers: Sequence[int], unit: str, base: int) -> None:
    """An axis on which twice as many is as far everywhere."""
    axis.set_xscale("log", base=base)
    axis.set_xticks(numbers)
    axis.xaxis.set_major_formatter("{x:.0f}")
    axis.minorticks_off()
    axis.set_xlabel(unit)


def _save(figure: Figure, name: str) -> None:
    png = io.BytesIO()
    figure.savefig(png, dpi=RESOLUTION)
    picture = Image.open(png).convert("RGB").quantize(HUES)
    picture.save(PICTURES / name, optimize=True)


def main() -> None:
    """Measure, print and draw."""
    balancers = []
    for each in balancer.measured(balancer.NUMBERS):
        print(each, flush=True)
        balancers.append(each)
    _save(haproxy(balancers), "scale-haproxy.png")
    clients = []
    for rounds in storage.measured(storage.NUMBERS):
        print(storage.line(rounds), flush=True)
        clients.append(rounds)
    _save(storages(clients), "scale-storage.png")


if __name__ == "__main__":
    main()
