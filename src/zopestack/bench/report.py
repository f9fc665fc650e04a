"""report.html, the PNGs and samples.json of a run."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from pathlib import Path

import jinja2

from zopestack import rendering
from zopestack.bench import plots, record
from zopestack.bench.claims import claims, findings
from zopestack.bench.quiet import LIMIT
from zopestack.bench.record import FIGURES, Outcome, Run
from zopestack.bench.workloads import KNOWN

#: Title and text of each plot.
TEXTS = {
    "rescheduling": (
        "The graph that started it all",
        "Eight clients keep asking while what serves them changes. A rescheduling interrupt is "
        "one core waking another; threads of one process that hand the interpreter lock to each "
        "other cause them, and most of the context switches. The axis of interrupts counts the "
        "whole machine's, those of the load generator included.",
    ),
    "clients": (
        "Throughput and latency against the number of clients",
        "Each client asks again as soon as it has its answer.",
    ),
    "arrivals": (
        "Latency against the arrival rate",
        "Requests arrive at a fixed rate, answered or not, and latency counts from when each "
        "should have started: what visitors feel. Where a layout cannot keep up, it grows for as "
        "long as the load lasts.",
    ),
    "cost": (
        "Cost per request",
        "CPU of all processes of a layout, per answered request.",
    ),
    "memory": (
        "Memory against instances",
        "PSS with warm caches: pages that processes share are counted in equal parts.",
    ),
}


@dataclass(frozen=True)
class Plot:
    """A plot as it stands in the page; ``data`` is base64."""

    title: str
    text: str
    data: str


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    name: str
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """The figures of one experiment."""

    title: str
    help: str
    heads: list[str]
    rows: list[Row]


def write(run: Run, directory: Path) -> Path:
    """Write the report into a directory; the path of report.html."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "samples.json").write_text(record.dumps(run), encoding="utf-8")
    drawn = plots.draw(run)
    for name, png in drawn.items():
        (directory / f"{name}.png").write_bytes(png)
    page = directory / "report.html"
    page.write_text(html(run, drawn), encoding="utf-8")
    return page


def html(run: Run, drawn: dict[str, bytes]) -> str:
    """The page; it refers to nothing outside itself."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(rendering.packaged_templates()),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [Plot(*TEXTS[name], base64.b64encode(png).decode()) for name, png in drawn.items()]
    template = environment.get_template("report.html.j2")
    tables = [table(outcome) for outcome in run.outcomes]
    return template.render(
        run=run,
        disturbed=run.others > LIMIT,
        claims=claims(run),
        findings=findings(run),
        plots=shown,
        tables=tables,
    )


def table(outcome: Outcome) -> Table:
    """The figures of an experiment; those that nothing has are left out."""
    names = outcome.experiment.layouts
    medians = {figure: [outcome.median(name, figure) for name in names] for figure in FIGURES}
    heads = [figure for figure, found in medians.items() if any(map(math.isfinite, found))]
    workload = KNOWN.get(outcome.experiment.workload)
    generator = outcome.samples[0].measured.generator if outcome.samples else "none"
    return Table(
        title=f"{outcome.experiment.workload} page, {outcome.experiment.load}",
        help=f"{workload.help if workload else 'a page of the user'}; "
        f"{outcome.experiment.rounds} rounds, {generator} load generator",
        heads=heads,
        rows=[
            Row(name, [_shown(medians[figure][index]) for figure in heads])
            for index, name in enumerate(names)
        ],
    )


def _shown(value: float) -> str:
    """Three digits, as no figure here is known better."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
