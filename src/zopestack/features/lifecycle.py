"""When an instance takes requests, and when it is stopped or restarted."""

from __future__ import annotations

import re

from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import memory, paths, seconds

#: A mail address without the quoting that hardly any has (RFC 5322, 3.4.1), and without %, which is
#: an expansion in supervisord.conf.
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9][A-Za-z0-9.-]{0,253}")


def _addresses(text: str) -> tuple[str, ...]:
    """Mail addresses, one a line or separated by spaces."""
    found = tuple(text.split())
    for each in found:
        if not ADDRESS.fullmatch(each):
            raise ValueError(f"mail addresses like admin@example.com; {each!r} is not one")
    return found


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
    guard_mail: tuple[str, ...] = option(
        _addresses,
        "",
        "Whom the guard tells by mail, through ``sendmail``, that it restarts an instance.",
    )
    warm_up: tuple[str, ...] = option(
        paths, "", "Paths that an instance fetches from itself before it takes requests."
    )
