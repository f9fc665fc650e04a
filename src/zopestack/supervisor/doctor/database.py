"""Checks of how the instances use their databases, from what their agents have counted."""

from __future__ import annotations

from collections.abc import Iterator

from zopestack.features.databases import MAIN
from zopestack.supervisor.doctor.finding import ENOUGH, Finding, Severity, check
from zopestack.supervisor.doctor.look import Look

#: The share of commits that may conflict; each of them is done again.
TOLERABLE = 0.05

#: Objects that a request may load, on average, because no cache of its connection has them.
LOADED = 100


@check
def conflicts(look: Look) -> Iterator[Finding]:
    """Databases whose objects many requests change at once."""
    committed = look.figures.by("zopestack_zodb_commits_total", "database")
    for name, failed in look.figures.by("zopestack_zodb_conflicts_total", "database").items():
        tried = committed.get(name, 0) + failed
        if tried > ENOUGH and failed > TOLERABLE * tried:
            yield Finding(
                Severity.WARNING,
                f"{failed:.0f} of {tried:.0f} commits to the database {name} met a conflict",
                "an add-on that writes to one object in every request, such as a counter; the log "
                "of the instances names the object",
            )


@check
def caches(look: Look) -> Iterator[Finding]:
    """Instances whose caches of the main database are full, and which load much for a request."""
    loads, kept, limit, connections = (
        look.figures.by(f"zopestack_zodb_{each}", database=MAIN)
        for each in ("loads_total", "cache_objects", "cache_limit", "connections")
    )
    for name, count in look.figures.by("zopestack_request_seconds_count").items():
        # One that answers has told all of these, or none.
        if count < ENOUGH or name not in loads:
            continue
        loaded = loads[name] / count
        if loaded > LOADED and kept[name] >= limit[name] * connections[name]:
            yield Finding(
                Severity.WARNING,
                f"{name} loads {loaded:.0f} objects for a request, and its caches of "
                f"{limit[name]:.0f} objects are full",
                "a larger zodb-cache-size in [instance]",
            )
