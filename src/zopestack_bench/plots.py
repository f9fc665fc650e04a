"""The plots of the report, as PNG."""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Callable

import matplotlib

matplotlib.use("agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from zopestack_bench.measured import Closed, Open
from zopestack_bench.record import Moment, Outcome, Run

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
    rows: dict[str, Callable[[Moment], float]] = {}
    if all(phase.gil is not None for phase in run.phases.values()) and run.phases:
        rows["GIL wait, ms"] = lambda moment: 1000 * (run.phases[moment.layout].gil or 0)
    rows["context switches\nof Zope"] = lambda moment: _each(run, moment, moment.switches)
    if run.moments[0].rescheduling is not None:
        rows["rescheduling\ninterrupts"] = lambda m: _each(run, m, m.rescheduling or 0)
    title = "A request under the same load, while the layout changes"
    figure, axes = _figure(len(rows), width, title)
    for axis, (label, value) in zip(axes, rows.items(), strict=True):
        axis.set_ylabel(label)
        _phases(axis, run, value)
    axes[-1].set_xlabel("seconds")
    return figure


def clients(run: Run, width: float) -> Figure | None:
    """Throughput and latency against the number of clients."""
    found = [x for x in run.outcomes if isinstance(x.experiment.load, Closed)]
    workload = _swept(found)
    if workload is None:
        return None
    figure, axes = _figure(2, width, f"Closed loop, {workload} page")
    swept = [x for x in found if x.experiment.workload == workload]
    for axis, name in zip(axes, ("requests/s", "p95 ms"), strict=True):
        _lines(axis, swept, name)
        axis.set_xscale("log", base=2)
        axis.set_xticks(sorted({_clients(x) for x in swept}))
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.set_ylabel(name)
    axes[0].set_ylim(bottom=0)
    _logarithmic(axes[1])
    axes[-1].set_xlabel("clients")
    _legend(figure, axes[0])
    return figure


def arrivals(run: Run, width: float) -> Figure | None:
    """Latency against the arrival rate, from the intended start of each request."""
    found = [x for x in run.outcomes if isinstance(x.experiment.load, Open)]
    if not found:
        return None
    figure, axes = _figure(1, width, f"Open loop, {found[0].experiment.workload} page")
    _lines(axes[0], found, "p95 ms")
    _logarithmic(axes[0])
    axes[0].set_ylabel("p95 ms from the\nintended start")
    axes[0].set_xlabel("arrivals a second")
    _legend(figure, axes[0])
    return figure


def cost(run: Run, width: float) -> Figure | None:
    """CPU per request by what uses it."""
    found = [x for x in run.outcomes if len(x.experiment.layouts) > 3 and x.samples[0].cpu]
    chosen = {x.experiment.workload: x for x in found if x.experiment.load == Closed(8)}
    chosen = {name: chosen[name] for name in ("cpu", "light", "site") if name in chosen}
    if not chosen:
        return None
    figure = Figure(figsize=(width, 0.8 + 3.2 * len(chosen)), layout="constrained")
    axes = figure.subplots(len(chosen), 1, squeeze=False, gridspec_kw={"hspace": 0.08})[:, 0]
    for axis, (workload, outcome) in zip(axes, chosen.items(), strict=True):
        _bars(axis, outcome)
        axis.set_title(f"{workload} page, 8 clients", loc="left")
    axes[-1].set_xlabel("CPU ms per request")
    _legend(figure, axes[0])
    return figure


def memory(run: Run, width: float) -> Figure | None:
    """Memory against the number of instances."""
    if not run.memory:
        return None
    figure, axes = _figure(1, width, "Memory of a stack")
    numbers = list(run.memory)
    bottom = [0.0] * len(numbers)
    for role in ("zeo", "zope"):
        title, colour = ROLES[role]
        values = [run.memory[n].get(role, 0) / 1e6 for n in numbers]
        axes[0].bar(numbers, values, bottom=bottom, color=colour, label=title, width=0.6)
        bottom = [low + value for low, value in zip(bottom, values, strict=True)]
    axes[0].set_xticks(numbers)
    axes[0].set_xlabel("instances")
    axes[0].set_ylabel("MB (PSS)")
    _legend(figure, axes[0])
    return figure


PLOTS: dict[str, Callable[[Run, float], Figure | None]] = {
    "rescheduling": handover,
    "clients": clients,
    "arrivals": arrivals,
    "cost": cost,
    "memory": memory,
}


def _figure(rows: int, width: float, title: str) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, 0.8 + 2.6 * rows), layout="constrained")
    axes = list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])
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


def _each(run: Run, moment: Moment, a_second: float) -> float:
    """An amount a second as an amount a request."""
    rate = _rate(run, moment.layout)
    return a_second / rate if rate else 0.0


def _rate(run: Run, layout: str) -> float:
    """Requests a second of a layout in the series."""
    return run.phases[layout].rate if layout in run.phases else 0.0


def _phases(axis: Axes, run: Run, value: Callable[[Moment], float]) -> None:
    """The series as an area, each layout in its colour and named above it."""
    for name in dict.fromkeys(moment.layout for moment in run.moments):
        found = [moment for moment in run.moments if moment.layout == name]
        seconds, values = [each.seconds for each in found], [value(each) for each in found]
        colour = COLOURS.get(name, OTHER)
        axis.fill_between(seconds, values, color=colour, alpha=0.35, step="mid")
        axis.step(seconds, values, color=colour, where="mid")
        label = (
            f"{name}\n{_rate(run, name):.0f} requests/s\n{statistics.mean(values):.2g} a request"
        )
        where = ("data", "axes fraction")
        axis.annotate(label, (seconds[0], 1), xycoords=where, va="top", fontsize="small")
    axis.set_ylim(bottom=0, top=1.5 * max(map(value, run.moments)) or 1)


def _swept(outcomes: list[Outcome]) -> str | None:
    """The workload that was measured with the most numbers of clients, if with several."""
    numbers: dict[str, int] = {}
    for outcome in outcomes:
        numbers[outcome.experiment.workload] = numbers.get(outcome.experiment.workload, 0) + 1
    best = max(numbers, key=lambda name: numbers[name], default=None)
    return best if best and numbers[best] > 1 else None


def _clients(outcome: Outcome) -> float:
    load = outcome.experiment.load
    return load.clients if isinstance(load, Closed) else load.rate


def _lines(axis: Axes, outcomes: list[Outcome], figure: str) -> None:
    """A line for every layout measured more than once."""
    for name in dict.fromkeys(name for x in outcomes for name in x.experiment.layouts):
        points = sorted(
            (_clients(x), x.median(name, figure))
            for x in outcomes
            if name in x.experiment.layouts and math.isfinite(x.median(name, figure))
        )
        if len(points) > 1:
            axis.plot(*zip(*points, strict=True), "o-", color=COLOURS.get(name, OTHER), label=name)


def _bars(axis: Axes, outcome: Outcome) -> None:
    names = list(reversed(outcome.experiment.layouts))
    left = [0.0] * len(names)
    for title, colour in ROLES.values():
        figure = f"{title} CPU ms"
        values = [x if math.isfinite(x := outcome.median(name, figure)) else 0.0 for name in names]
        axis.barh(names, values, left=left, color=colour, label=title)
        left = [low + value for low, value in zip(left, values, strict=True)]
    for name, end in zip(names, left, strict=True):
        axis.annotate(f" {end:.2g}", (end, name), va="center")
    axis.spines[["top", "right"]].set_visible(False)
    # Room for the figure at the end of the longest bar.
    axis.set_xlim(right=1.12 * max(left, default=1) or 1)
