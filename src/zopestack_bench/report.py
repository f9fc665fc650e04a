"""report.html, the PNGs and samples.json of a run."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from pathlib import Path

import jinja2

from zopestack.columns import columns
from zopestack_bench import plots, record
from zopestack_bench.claims import FINDINGS, LOAD, PROMISES, compared
from zopestack_bench.ratios import Ratio, shown
from zopestack_bench.record import Outcome, Run
from zopestack_bench.workloads import KNOWN

#: The figures of the comparison at the top, and their names there.
LEADING = {
    "requests/s": "requests/s",
    "p99 ms": "p99 latency",
    "GIL wait ms": "GIL wait a request",
    "context switches": "context switches a request",
    "memory MB": "memory",
}


@dataclass(frozen=True)
class Lead:
    """What the run says in one look: the layout of the defaults over one instance.

    :param load: what was asked for, and by how many clients.
    :param figures: for each, how it compares, what it is, and the ratio behind that.
    """

    this: str
    that: str
    load: str
    figures: list[tuple[str, str, Ratio]]


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
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        run=run,
        disturbed=run.others > record.DISTURBED,
        lead=lead(run),
        claims=compared(run, PROMISES),
        findings=compared(run, FINDINGS),
        wide=_base64(drawn),
        narrow=_base64(plots.draw(run, plots.NARROW)),
        tables=[(x.experiment, x.rounds, *table(x)) for x in run.outcomes if x.samples],
        pages=KNOWN,
    )


def summary(run: Run) -> str:
    """What the run says of the promises, for a terminal; empty where it says nothing of them."""
    lines = []
    for head, wanted in (("promise", "expected"), PROMISES), (("besides", ""), FINDINGS):
        found = compared(run, wanted)
        rows = [(x.title, x.expected, x.ratio.verdict, x.context, x.verdict) for x in found]
        lines += columns([(*head, "measured (spread)", "beside", ""), *rows]) if rows else []
    if run.weighed:
        sizes = [
            (f"{number}", f"{alone:.0f}", f"{shared:.0f}", f"{shared / alone:.2f}")
            for number, (alone, shared) in run.weighed.items()
        ]
        lines += columns([("instances", "alone, MB", "shared, MB", "ratio"), *sizes])
    return "\n".join(lines)


def lead(run: Run) -> Lead | None:
    """The comparison at the top, of the first experiment with eight clients that has it."""
    # What [stack] makes of instances = auto and threads = 1.
    this, that = f"{run.machine['cores']}x1", "1x4 direct"
    for outcome in run.outcomes:
        if outcome.experiment.load == LOAD and {this, that} <= set(outcome.experiment.layouts):
            ratios = [(outcome.ratio(this, that, name), what) for name, what in LEADING.items()]
            return Lead(
                run.layouts[this],
                run.layouts[that],
                f"{outcome.experiment.workload} page, {LOAD.clients} clients",
                [(*_compared(found, what), found) for found, what in ratios if found.rounds],
            )
    return None


def _compared(found: Ratio, what: str) -> tuple[str, str]:
    """How a figure compares, in large letters and in small ones."""
    if found.differs or found.rounds == 1:
        return f"{shown(found.median)} times", f"the {what}"
    return "No difference", f"in {what}"


def table(outcome: Outcome) -> tuple[list[str], dict[str, list[str]]]:
    """The medians of an experiment: their names, and for each layout its cells. Figures that
    nothing has are left out."""
    names = outcome.experiment.layouts
    heads = [
        figure
        for figure in outcome.samples[0].figures
        if any(math.isfinite(outcome.median(name, figure)) for name in names)
    ]
    return heads, {
        name: [_digits(outcome.median(name, figure)) for figure in heads] for name in names
    }


def _base64(drawn: dict[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(png).decode() for name, png in drawn.items()}


def _digits(value: float) -> str:
    """Three digits, as no figure here is known better."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
