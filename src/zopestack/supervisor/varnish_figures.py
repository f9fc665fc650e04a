"""What Prometheus is told of Varnish."""

from __future__ import annotations

from collections.abc import Iterator

from zopestack.figure import Figure, Values
from zopestack.model import Stack
from zopestack.varnish.statistics import statistics

HITS = Figure(
    "varnish_hits", "counter", "Requests that Varnish has answered by itself since its start."
)
STALE = Figure(
    "varnish_stale",
    "counter",
    "Of these, those with a page beyond its time, because no instance served.",
)
OTHERS = Figure(
    "varnish_others", "counter", "Requests that Varnish has passed to an instance since its start."
)
USED = Figure("varnish_bytes", "gauge", "Bytes of what Varnish keeps.")


def told(stack: Stack) -> Iterator[tuple[Figure, Values]]:
    """Every figure with its value.

    :raises OSError: if Varnish does not run.
    """
    seen = statistics(stack)
    for figure, value in (
        (HITS, seen.hits),
        (STALE, seen.stale),
        (OTHERS, seen.others),
        (USED, seen.used),
    ):
        yield figure, {(): value}
