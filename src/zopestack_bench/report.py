"""report.html, the PNGs and samples.json of a run."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from pathlib import Path

import jinja2

from zopestack.columns import columns
from zopestack_bench import plots, record
from zopestack_bench.claims import LOAD, claims, findings
from zopestack_bench.quiet import LIMIT
from zopestack_bench.ratios import Ratio, shown
from zopestack_bench.record import FIGURES, Outcome, Run
from zopestack_bench.workloads import KNOWN

#: Title and text of each plot.
TEXTS = {
    "rescheduling": (
        "The fight for the interpreter lock, before and after",
        "Eight clients keep asking while what serves them changes; the gaps are where the next "
        "layout starts. Threads of one process hand Python's interpreter lock (the GIL) to each "
        "other: each waits for it, and each handover is a context switch. GIL wait is the mean of "
        "the layout. A rescheduling interrupt, one core waking another, is what the graph of 2010 "
        "showed; a kernel of today may keep such threads on one core, and then there are none. "
        "They are the whole machine's, the load generator's included.",
    ),
    "clients": (
        "Throughput and latency against the number of clients",
        "Each client asks again as soon as it has its answer. One request in twenty takes "
        "longer than the p95.",
    ),
    "arrivals": (
        "Latency against the arrival rate",
        "Requests arrive at a fixed rate, and latency counts from when each was due: what "
        "visitors feel. Where a layout cannot keep up, it grows for as long as the load lasts.",
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


@dataclass(frozen=True)
class Table:
    """The figures of one experiment.

    :param rows: for each layout its name and cells.
    """

    title: str
    help: str
    heads: list[str]
    rows: list[tuple[str, list[str]]]


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
    narrow = plots.draw(run, plots.NARROW)
    return environment.get_template("report.html.j2").render(
        run=run,
        disturbed=run.others > LIMIT,
        lead=lead(run),
        claims=claims(run),
        findings=findings(run),
        # Each for wide and for narrow screens.
        plots=[(*TEXTS[name], _base64(drawn[name]), _base64(narrow[name])) for name in drawn],
        tables=[table(outcome) for outcome in run.outcomes],
    )


def summary(run: Run) -> str:
    """What the run says of the promises, for a terminal; empty where it says nothing of them."""
    lines = []
    for head, found in (("promise", "expected"), claims(run)), (("besides", ""), findings(run)):
        rows = [(x.title, x.expected, x.ratio.verdict, x.verdict) for x in found]
        lines += columns([(*head, "measured (spread)", ""), *rows]) if rows else []
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


def table(outcome: Outcome) -> Table:
    """The figures of an experiment; those that nothing has are left out."""
    names = outcome.experiment.layouts
    medians = {figure: [outcome.median(name, figure) for name in names] for figure in FIGURES}
    heads = [figure for figure, found in medians.items() if any(map(math.isfinite, found))]
    workload = KNOWN.get(outcome.experiment.workload)
    rounds = outcome.experiment.rounds
    return Table(
        title=f"{outcome.experiment.workload} page, {outcome.experiment.load}",
        help=f"{workload.help if workload else 'a page of the user'}; "
        f"{rounds} round{'s' if rounds > 1 else ''}",
        heads=heads,
        rows=[
            (name, [_digits(medians[figure][index]) for figure in heads])
            for index, name in enumerate(names)
        ],
    )


def _base64(png: bytes) -> str:
    return base64.b64encode(png).decode()


def _digits(value: float) -> str:
    """Three digits, as no figure here is known better."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
