"""``supervisorctl stack --watch``: the stack as it is now, again and again.

On a terminal the picture stays in its place and fits, whatever the size: what does not serve and
what is busy comes first, and the last line says how many are not shown. Into a pipe it is plain
text, one table after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from zopestack.model import Stack
from zopestack.supervisor.overview import InstanceRow, Overview, overview
from zopestack.supervisor.table import known, megabytes, table

#: Seconds between two looks: as often as HAProxy looks.
INTERVAL = 1.0

#: Lines of a terminal that are no instance: the heading, the sum below, and the line of the cursor.
OTHERS = 3

INSTANCE, STATE = "instance", "state"
FIGURES = ("threads", "in flight", "queue", "req/s", "memory")

#: Between two columns.
GAP = "  "

BUSY, IDLE = "●", "○"

#: Threads that are shown one by one; more are a number.
MOST_SHOWN = 4


@dataclass(frozen=True)
class Seen:
    """One look, and when that was (``time.monotonic``)."""

    overview: Overview
    when: float


def watch(stack: Stack, write: Callable[[str], None], console: Console | None = None) -> None:
    """Show the stack until interrupted.

    :param write: prints where there is no terminal.
    :raises OSError: if supervisord does not answer at first; later that is shown.
    """
    console = console or Console()
    before = look(stack)
    try:
        if console.is_terminal:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                while True:
                    before, picture = _next(stack, before, console)
                    live.update(picture, refresh=True)
        while True:
            write(table(stack, before.overview) + "\n")
            time.sleep(INTERVAL)
            before = look(stack)
    except KeyboardInterrupt:
        return


def look(stack: Stack) -> Seen:
    """Look once.

    :raises OSError: if supervisord does not answer.
    """
    return Seen(overview(stack), time.monotonic())


def picture(now: Seen, before: Seen, columns: int, lines: int) -> RenderableType:
    """What a terminal of this size shows."""
    rates = _rates(now, before)
    rows = sorted(now.overview.instances, key=_first)
    shown = rows[: max(1, lines - OTHERS)]
    found = Table(box=None, pad_edge=False)
    name_width = max(len(INSTANCE), *(len(row.name) for row in shown))
    found.add_column(INSTANCE, no_wrap=True, min_width=name_width)
    # The one that can be cut.
    taken = name_width + len(GAP) + sum(len(GAP) + len(name) for name in FIGURES)
    left = max(len(STATE), columns - taken)
    found.add_column(STATE, no_wrap=True, overflow="ellipsis", max_width=left)
    for name in FIGURES:
        found.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for row in shown:
        found.add_row(
            row.name,
            Text(row.state, style="green" if row.healthy else "bold red"),
            _threads(row),
            known(row.in_flight),
            known(row.queue),
            "-" if row.name not in rates else f"{rates[row.name]:.1f}",
            megabytes(row.memory),
        )
    return Group(found, Text(_sum(rows, shown, rates), style="dim", no_wrap=True))


def _next(stack: Stack, before: Seen, console: Console) -> tuple[Seen, RenderableType]:
    time.sleep(INTERVAL)
    try:
        now = look(stack)
    except OSError as why:
        return before, Text(f"supervisord does not answer: {why}", style="bold red")
    return now, picture(now, before, *console.size)


def _first(row: InstanceRow) -> tuple[bool, int]:
    """What to look at first: what does not serve, then what is busiest."""
    return row.healthy, -(row.in_flight or 0)


def _threads(row: InstanceRow) -> str:
    if row.busy is None or row.threads is None:
        return "-"
    if row.threads > MOST_SHOWN:
        return f"{row.busy}/{row.threads}"
    return BUSY * row.busy + IDLE * (row.threads - row.busy)


def _rates(now: Seen, before: Seen) -> dict[str, float]:
    """Requests a second of each instance that was there before and was not restarted."""
    earlier = {row.name: row for row in before.overview.instances}
    seconds = now.when - before.when
    return {
        row.name: (row.requests - then.requests) / seconds
        for row in now.overview.instances
        if (then := earlier.get(row.name))
        and row.requests is not None
        and then.requests is not None
        and row.pid == then.pid
        and seconds > 0
    }


def _sum(rows: list[InstanceRow], shown: list[InstanceRow], rates: dict[str, float]) -> str:
    serving = sum(row.healthy for row in rows)
    memory = sum(row.memory or 0 for row in rows)
    left = len(rows) - len(shown)
    more = f"{left} more not shown; " if left else ""
    return (
        f"{more}{serving} of {len(rows)} serve, {sum(rates.values()):.1f} req/s, "
        f"{megabytes(memory)}; Ctrl-C ends this"
    )
