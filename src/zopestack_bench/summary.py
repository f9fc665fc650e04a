"""What a run says of the project's promises, for a terminal."""

from __future__ import annotations

from zopestack_bench.claims import Claim, claims, findings
from zopestack_bench.record import Run


def text(run: Run) -> str:
    """Promise, measured, kept or not: a line each; and below what else was compared.

    Empty where the run has nothing that anything is promised of.
    """
    return "\n".join(
        [
            *_table(("promise", "expected", "measured (spread)", ""), claims(run)),
            *_table(("besides", "", "measured (spread)", ""), findings(run)),
        ]
    )


def _table(heads: tuple[str, ...], found: list[Claim]) -> list[str]:
    if not found:
        return []
    rows = [heads, *((x.title, x.expected, x.ratio.verdict, x.verdict) for x in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
