"""The plots of the report, as PNG."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter

import matplotlib

matplotlib.use("agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from zopestack_bench.plan import main_layouts
from zopestack_bench.record import Closed, Run

#: One colour a layout, the same in every plot; told apart with any colour vision
#: (Okabe and Ito, 2008).
COLOURS = {
    "1x4 direct": "#D55E00",
    "1x1 direct": "#999999",
    "1x1": "#000000",
    "2x2": "#E69F00",
    "2x1": "#0072B2",
    "stock HAProxy": "#56B4E9",
    "varnish": "#CC79A7",
    "gunicorn": "#009E73",
    "uwsgi": "#F0E442",
}
OTHER = "#777777"

#: What the CPU of a request is made of, and its colours.
ROLES = {"Zope": "#0072B2", "balancer": "#E69F00", "ZEO": "#009E73"}

#: Whether instances share memory, and the colours of it.
SHARING = {"share-memory = off": "#D55E00", "share-memory = on": "#0072B2"}

#: What a fight for the interpreter lock costs, and what it is called in the plot.
LOCK = {
    "GIL wait ms": "ms of waiting for the GIL",
    "context switches": "context switches",
    "rescheduling interrupts": "rescheduling interrupts of the whole machine",
}

#: Inches: a plot for a page, and one for a phone, where a shrunk one could not be read.
WIDE, NARROW = 8.0, 4.0

#: Pixels of an inch, for screens with two or more pixels to each of CSS.
RESOLUTION = 180


def draw(run: Run, width: float = WIDE) -> dict[str, bytes]:
    """Every plot the samples suffice for: its name and its PNG.

    :param width: in inches.
    """
    found = {}
    for name, plot in PLOTS.items():
        figure = plot(run, width)
        if figure is not None:
            png = io.BytesIO()
            # No date and no version: the same samples give the same bytes.
            figure.savefig(png, format="png", dpi=RESOLUTION, metadata={"Software": None})
            found[name] = png.getvalue()
    return found


def lock(run: Run, width: float) -> Figure | None:
    """What threads that fight for one interpreter lock cost a request: waiting for the GIL,
    context switches, and the interrupts of the graph of 2010."""
    found = next((x for x in run.outcomes if x.experiment.load == Closed(8)), None)
    if not found:
        return None
    names = main_layouts(found.experiment.layouts)[::-1]
    medians = {title: [found.median(name, what) for name in names] for what, title in LOCK.items()}
    shown = {title: sizes for title, sizes in medians.items() if all(map(math.isfinite, sizes))}
    if not shown:
        return None
    title = f"A request of the {found.experiment.workload} page, 8 clients"
    figure, axes = _figure(len(shown), width, title, height=1.6, sharex=False)
    colours = [COLOURS.get(name, OTHER) for name in names]
    for axis, (what, sizes) in zip(axes, shown.items(), strict=True):
        _bars(axis, names, [(None, colours, sizes)])
        axis.set_title(what, loc="left", fontsize="medium")
    return figure


def clients(run: Run, width: float) -> Figure | None:
    """Throughput and latency against the number of clients, of the page with the most of them: a
    line for every layout measured more than once."""
    found = [(x.experiment.load, x) for x in run.outcomes]
    loads = [(load.clients, x) for load, x in found if isinstance(load, Closed)]
    pages = Counter(x.experiment.workload for _, x in loads).most_common(1)
    if not pages or pages[0][1] < 2:
        return None
    page = pages[0][0]
    swept = sorted(((n, x) for n, x in loads if x.experiment.workload == page), key=itemgetter(0))
    figure, axes = _figure(2, width, f"{page} page")
    for axis, figured in zip(axes, ("requests/s", "p95 ms"), strict=True):
        for layout in dict.fromkeys(name for _, x in swept for name in x.experiment.layouts):
            points = [(n, x.median(layout, figured)) for n, x in swept]
            points = [(n, median) for n, median in points if math.isfinite(median)]
            if len(points) > 1:
                colour = COLOURS.get(layout, OTHER)
                axis.plot(*zip(*points, strict=True), "o-", color=colour, label=layout)
        axis.set_ylabel(figured)
    axes[0].set_xscale("log", base=2)
    axes[0].set_xticks([n for n, _ in swept])
    axes[0].xaxis.set_major_formatter("{x:.0f}")
    axes[0].set_ylim(bottom=0)
    axes[1].set_xlabel("clients")
    # Twice is as far at the bottom as at the top, in plain numbers.
    axes[1].set_yscale("log")
    axes[1].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[1].yaxis.set_major_formatter("{x:g}")
    axes[1].yaxis.set_minor_formatter(NullFormatter())
    _legend(figure, axes[0])
    return figure


def cost(run: Run, width: float) -> Figure | None:
    """CPU per request by what uses it."""
    found = {
        x.experiment.workload: x
        for x in run.outcomes
        if x.experiment.load == Closed(8)
        and len(x.experiment.layouts) > 3
        and math.isfinite(x.samples[0].figure("CPU ms"))
    }
    chosen = [name for name in ("cpu", "light", "site") if name in found]
    if not chosen:
        return None
    figure, axes = _figure(len(chosen), width, "", height=3.2, sharex=False)
    for axis, workload in zip(axes, chosen, strict=True):
        names = found[workload].experiment.layouts[::-1]
        parts = [
            (role, colour, [found[workload].median(name, f"{role} CPU ms") for name in names])
            for role, colour in ROLES.items()
        ]
        _bars(axis, names, parts)
        axis.set_title(f"{workload} page, 8 clients", loc="left")
    axes[-1].set_xlabel("CPU ms per request")
    _legend(figure, axes[0])
    return figure


def memory(run: Run, width: float) -> Figure | None:
    """What the stack takes against the number of its instances, and what it takes where they share
    memory."""
    if not run.weighed:
        return None
    figure, (axis,) = _figure(1, width, "Memory of the whole stack but HAProxy", height=3.2)
    for number, (label, colour) in enumerate(SHARING.items()):
        sizes = [pair[number] for pair in run.weighed.values()]
        axis.plot([*run.weighed], sizes, "o-", color=colour, label=label)
    axis.set_xticks([*run.weighed])
    axis.set_xlabel("instances")
    axis.set_ylabel("MB")
    axis.set_ylim(bottom=0)
    _legend(figure, axis)
    return figure


PLOTS: dict[str, Callable[[Run, float], Figure | None]] = {
    "lock": lock,
    "clients": clients,
    "cost": cost,
    "memory": memory,
}


def _figure(
    rows: int, width: float, title: str, height: float = 2.6, sharex: bool = True
) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, 0.8 + height * rows), layout="constrained")
    axes = list(figure.subplots(rows, 1, sharex=sharex, squeeze=False)[:, 0])
    figure.suptitle(title, x=0.01, horizontalalignment="left")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.3)
    return figure, axes


def _legend(figure: Figure, axis: Axes) -> None:
    """What the colours mean, below the plot, where it hides nothing."""
    handles, labels = axis.get_legend_handles_labels()
    columns = max(1, int(figure.get_figwidth() / 1.8))
    figure.legend(handles, labels, frameon=False, loc="outside lower left", ncols=columns)


def _bars(
    axis: Axes,
    names: Sequence[str],
    parts: Sequence[tuple[str | None, str | Sequence[str], Sequence[float]]],
) -> None:
    """Bars by layout, with the sum at the end of each.

    :param parts: drawn one beside the other: what it is, its colour, and its sizes.
    """
    ends = [0.0] * len(names)
    for label, colour, found in parts:
        sizes = [x if math.isfinite(x) else 0.0 for x in found]
        axis.barh(names, sizes, 0.7, ends, color=colour, label=label)
        ends = [end + size for end, size in zip(ends, sizes, strict=True)]
    for name, end in zip(names, ends, strict=True):
        axis.annotate(f" {end:.2g}", (end, name), va="center")
    # Room for the figure at the end of the longest bar.
    axis.set_xlim(right=1.12 * max(ends) or 1)
    axis.grid(visible=False)
