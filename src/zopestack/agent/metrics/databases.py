"""What ZODB does for an instance, by database.

Loads and stores are ZODB's own counts, which a connection hands to the database's activity monitor
when it is closed, once a request. Commits are timed where the connection takes part in one, so that
a request that only reads is not touched.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from ZODB.ActivityMonitor import ActivityMonitor
from ZODB.Connection import Connection
from ZODB.POSException import ConflictError

from zopestack.agent import storage
from zopestack.figure import Figure, Values

LABELS = ("database",)

CONNECTED = Figure("zodb_connected", "gauge", "1 if the database can be reached, else 0.", LABELS)
CONNECTIONS = Figure(
    "zodb_connections",
    "gauge",
    "Connections that are open or kept; each has a cache of objects of its own.",
    LABELS,
)
CACHE_OBJECTS = Figure(
    "zodb_cache_objects", "gauge", "Objects in the caches of all connections.", LABELS
)
CACHE_BYTES = Figure(
    "zodb_cache_bytes",
    "gauge",
    "Bytes of these objects in the database, as ZODB estimates.",
    LABELS,
)
CACHE_LIMIT = Figure(
    "zodb_cache_limit",
    "gauge",
    "Objects that the cache of one connection keeps between requests (zodb-cache-size).",
    LABELS,
)
LOADS = Figure(
    "zodb_loads", "counter", "Objects that were not in the cache of their connection.", LABELS
)
HITS = Figure(
    "zodb_cache_hits",
    "counter",
    "Objects that the instance's cache of the storage had, so that no server was asked "
    "(zeo-client-cache-size, or that of RelStorage).",
    LABELS,
)
STORES = Figure("zodb_stores", "counter", "Objects that were sent to be saved.", LABELS)
COMMITS = Figure("zodb_commits", "counter", "Transactions that were committed.", LABELS)
COMMIT_SECONDS = Figure(
    "zodb_commit_seconds",
    "counter",
    "Seconds spent on commits, those that failed included.",
    LABELS,
)
CONFLICTS = Figure(
    "zodb_conflicts",
    "counter",
    "Commits that failed because another one had changed the same objects.",
    LABELS,
)

#: The steps of a connection's part in a commit (its ``IDataManager``), in their order.
STEPS = ("commit", "tpc_vote", "tpc_finish")


class Databases:
    """The counts of every database of this process."""

    def __init__(self) -> None:
        self.counts: dict[Figure, defaultdict[tuple[str, ...], float]] = {
            figure: defaultdict(float)
            for figure in (LOADS, STORES, COMMITS, COMMIT_SECONDS, CONFLICTS)
        }

    def install(self) -> None:
        """Count from now on, in every database that is open."""
        for step in STEPS:
            setattr(Connection, step, self._timed(getattr(Connection, step), step))
        for database in storage.databases():
            database.setActivityMonitor(Activity(self, database.getActivityMonitor()))

    def _timed(self, run: Callable[..., Any], step: str) -> Callable[..., Any]:
        commits, seconds, conflicts = (
            self.counts[each] for each in (COMMITS, COMMIT_SECONDS, CONFLICTS)
        )

        def timed(connection: Any, transaction: Any) -> Any:
            name = (connection.db().database_name,)
            began = time.monotonic()
            try:
                result = run(connection, transaction)
            except ConflictError:
                conflicts[name] += 1
                raise
            finally:
                spent = time.monotonic() - began
                seconds[name] += spent
            if step == STEPS[-1]:
                commits[name] += 1
            return result

        return timed

    def figures(self) -> Iterator[tuple[Figure, Values]]:
        """What was counted, and how the databases are now."""
        opened = {(each.database_name,): each for each in storage.databases()}
        for figure, counts in self.counts.items():
            # From the first scrape on, so that the first conflict is an increase.
            yield figure, {name: counts.get(name, 0) for name in opened}
        gone = storage.unreachable()
        yield CONNECTED, {name: float(name[0] not in gone) for name in opened}
        yield CACHE_LIMIT, {name: each.getCacheSize() for name, each in opened.items()}
        caches = {name: _caches(each) for name, each in opened.items()}
        yield CONNECTIONS, {name: len(found) for name, found in caches.items()}
        yield (
            CACHE_OBJECTS,
            {name: sum(objects for objects, _ in found) for name, found in caches.items()},
        )
        yield CACHE_BYTES, {name: sum(size for _, size in found) for name, found in caches.items()}
        hits = {name: _hits(each.storage) for name, each in opened.items()}
        yield HITS, {name: number for name, number in hits.items() if number is not None}


class Activity:
    """An activity monitor, as ZODB calls it whenever a connection is closed.

    A database has one. It passes everything on to that which was there before, such as an add-on's,
    or to one of ZODB's own, as soon as somebody asks for more than this one knows: that keeps an
    entry for every request of the last hour.

    :param before: None for none.
    """

    def __init__(self, databases: Databases, before: Any) -> None:
        self.databases = databases
        self.before = before

    def closedConnection(self, connection: Any) -> None:  # noqa: N802
        """Add what a connection has done since it was opened."""
        loads, stores = connection.getTransferCounts(self.before is None)
        name = (connection.db().database_name,)
        counts = self.databases.counts
        counts[LOADS][name] += loads
        counts[STORES][name] += stores
        if self.before is not None:
            self.before.closedConnection(connection)

    def __getattr__(self, name: str) -> Any:
        """What else a monitor can do, such as ``getActivityAnalysis``."""
        if name.startswith("_"):
            raise AttributeError(name)
        if self.before is None:
            self.before = ActivityMonitor()
        return getattr(self.before, name)


def _caches(database: Any) -> list[tuple[int, int]]:
    """Objects and bytes of the cache of each connection."""
    found: list[tuple[int, int]] = []
    database._connectionMap(
        lambda connection: found.append(
            (connection._cache.cache_non_ghost_count, connection._cache.total_estimated_size)
        )
    )
    return found


def _hits(client: Any) -> int | None:
    """Hits of the cache of a client of ZEO (ZEO 6.2, ``ClientCache.getStats``) or of RelStorage
    (4.3, ``StorageCache.stats``); None where there is no such cache.
    """
    cache: Any = getattr(client, "_cache", None)
    if hasattr(cache, "getStats"):
        return int(cache.getStats()[-1])
    return int(cache.stats()["hits"]) if hasattr(cache, "stats") else None
