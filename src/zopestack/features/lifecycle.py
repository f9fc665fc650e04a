"""When an instance takes requests, and when it is stopped or restarted."""

from __future__ import annotations

from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import memory, paths, seconds


@feature
class Lifecycle(Feature):
    """Times in seconds.

    :ivar memory_limit: as the guard takes it (``500MB``); empty for no limit.
    """

    stop_grace: int = option(
        seconds,
        "60s",
        "How long requests get to finish when an instance is stopped or restarted.",
    )
    memory_limit: str = option(
        memory, "", "An instance that uses more, such as ``800MB``, is drained and restarted."
    )
    warm_up: tuple[str, ...] = option(
        paths, "", "Paths that an instance fetches from itself before it takes requests."
    )
