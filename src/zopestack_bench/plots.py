"""The plots of the report, as PNG."""

from __future__ import annotations

import io
import math
import statistics
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import matplotlib

matplotlib.use("agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from zopestack_bench.record import Closed, Open, Outcome, Run

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

#: What stacked bars are made of.
ROLES = {
    "zope": ("Zope", "#0072B2"),
    "balancer": ("balancer", "#E69F00"),
    "zeo": ("ZEO", "#009E73"),
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


def handover(run: Run, width: float) -> Figure | None:
    """What threads that fight for one interpreter lock cost a request, while the layout changes
    under load: waiting for the GIL, context switches, and the interrupts of the graph of 2010."""
    if not run.moments:
        return None
    names = [
        name
        for name in run.moments[0].figures
        if all(each.figures[name] is not None for each in run.moments)
    ]
    title = "A request under the same load, while the layout changes"
    figure, axes = _figure(len(names), width, title)
    for axis, name in zip(axes, names, strict=True):
        axis.set_ylabel(textwrap.fill(name, 16))
        _phases(axis, run, name)
    axes[-1].set_xlabel("seconds")
    return figure


def clients(run: Run, width: float) -> Figure | None:
    """Throughput and latency against the number of clients, of the page with the most of them."""
    found = [x for x in run.outcomes if isinstance(x.experiment.load, Closed)]
    pages = Counter(x.experiment.workload for x in found).most_common(1)
    if not pages or pages[0][1] < 2:
        return None
    swept = [x for x in found if x.experiment.workload == pages[0][0]]
    figure, axes = _swept(swept, width, "Closed loop", {x: x for x in ("requests/s", "p95 ms")})
    axes[0].set_xscale("log", base=2)
    axes[0].set_xticks(sorted({_amount(x) for x in swept}))
    axes[0].xaxis.set_major_formatter("{x:.0f}")
    axes[0].set_ylim(bottom=0)
    axes[1].set_xlabel("clients")
    return figure


def arrivals(run: Run, width: float) -> Figure | None:
    """Latency against the arrival rate, from the intended start of each request."""
    found = [x for x in run.outcomes if isinstance(x.experiment.load, Open)]
    if not found:
        return None
    names = {"p95 ms": "p95 ms from the\nintended start"}
    figure, axes = _swept(found, width, "Open loop", names)
    axes[0].set_xlabel("arrivals a second")
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
        bars = {
            role: [found[workload].median(name, f"{title} CPU ms") for name in names]
            for role, (title, _) in ROLES.items()
        }
        ends = _stacked(axis.barh, names, bars)
        for name, end in zip(names, ends, strict=True):
            axis.annotate(f" {end:.2g}", (end, name), va="center")
        # Room for the figure at the end of the longest bar.
        axis.set_xlim(right=1.12 * max(ends) or 1)
        axis.grid(visible=False)
        axis.set_title(f"{workload} page, 8 clients", loc="left")
    axes[-1].set_xlabel("CPU ms per request")
    _legend(figure, axes[0])
    return figure


def memory(run: Run, width: float) -> Figure | None:
    """Memory against the number of instances."""
    if not run.memory:
        return None
    figure, (axis,) = _figure(1, width, "Memory of a stack")
    sizes = {role: [x.get(role, 0) / 1e6 for x in run.memory.values()] for role in ("zeo", "zope")}
    _stacked(axis.bar, list(run.memory), sizes)
    axis.set_xticks(list(run.memory))
    axis.set_xlabel("instances")
    axis.set_ylabel("MB (PSS)")
    _legend(figure, axis)
    return figure


PLOTS: dict[str, Callable[[Run, float], Figure | None]] = {
    "rescheduling": handover,
    "clients": clients,
    "arrivals": arrivals,
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


def _logarithmic(axis: Axes) -> None:
    """A scale on which twice is as far at the bottom as at the top, in plain numbers."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def _phases(axis: Axes, run: Run, name: str) -> None:
    """A figure of the series as an area, each layout in its colour and named above it."""
    for layout, rate in run.rates.items():
        found = {x.seconds: x.figures[name] or 0 for x in run.moments if x.layout == layout}
        seconds, values = list(found), list(found.values())
        colour = COLOURS.get(layout, OTHER)
        axis.fill_between(seconds, values, color=colour, alpha=0.35, step="mid")
        axis.step(seconds, values, color=colour, where="mid")
        label = f"{layout}\n{rate:.0f} requests/s\n{statistics.mean(values):.3g} a request"
        where = ("data", "axes fraction")
        axis.annotate(label, (seconds[0], 1), xycoords=where, va="top", fontsize="small")
    axis.set_ylim(bottom=0, top=1.5 * max(x.figures[name] or 0 for x in run.moments) or 1)


def _swept(
    outcomes: list[Outcome], width: float, title: str, names: Mapping[str, str]
) -> tuple[Figure, list[Axes]]:
    """Figures by name, with what their axes say, against the number of clients or arrivals: a line
    for every layout measured more than once. The last one is a latency."""
    page = outcomes[0].experiment.workload
    figure, axes = _figure(len(names), width, f"{title}, {page} page")
    for axis, (name, label) in zip(axes, names.items(), strict=True):
        for layout in dict.fromkeys(each for x in outcomes for each in x.experiment.layouts):
            points = sorted(
                (_amount(x), x.median(layout, name))
                for x in outcomes
                if math.isfinite(x.median(layout, name))
            )
            if len(points) > 1:
                colour = COLOURS.get(layout, OTHER)
                axis.plot(*zip(*points, strict=True), "o-", color=colour, label=layout)
        axis.set_ylabel(label)
    _logarithmic(axes[-1])
    _legend(figure, axes[0])
    return figure, axes


def _amount(outcome: Outcome) -> float:
    load = outcome.experiment.load
    return load.clients if isinstance(load, Closed) else load.rate


def _stacked(
    draw: Callable[..., object], places: Sequence[object], values: Mapping[str, list[float]]
) -> list[float]:
    """Bars of values by role, drawn one on the other by ``bar`` or ``barh``; where each ends."""
    ends = [0.0] * len(places)
    for role, found in values.items():
        title, colour = ROLES[role]
        sizes = [x if math.isfinite(x) else 0.0 for x in found]
        draw(places, sizes, 0.7, ends, color=colour, label=title)
        ends = [end + size for end, size in zip(ends, sizes, strict=True)]
    return ends
