"""Wait for a condition, never for a time."""

from __future__ import annotations

from functools import partial

from zopestack_bench import probe

#: Seconds any one thing gets, several times what it takes on 2 busy cores.
PATIENCE = 200.0

#: Looks until what is seen is accepted (``zopestack_bench.probe``).
until = partial(probe.until, timeout=PATIENCE)
