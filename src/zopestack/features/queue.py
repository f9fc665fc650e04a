"""Requests that wait for an idle thread."""

from __future__ import annotations

from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import count, seconds, switch


@feature
class Queue(Feature):
    """HAProxy's queue; 0 for no limit."""

    timeout_queue: int = option(
        seconds,
        "30s",
        "How long a request waits for an idle thread before it gets 503. While no instance serves, "
        "requests wait as well, until that has lasted so long.",
        per_group=True,
    )
    queue_limit: int = option(
        count,
        "1000",
        "Requests that may wait for a thread; one more gets 503 at once. ``off`` for any number.",
        per_group=True,
    )
    queue_priorities: bool = option(
        switch,
        "off",
        "Whether logged-in users go before others in the queue, and known crawlers last.",
    )
