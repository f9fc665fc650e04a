"""The requests of an HAProxy access log, to be asked for again."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

from zopestack.bench.farm import Broken

#: How many of the last requests are replayed.
LAST = 2000

#: The request line as ``option httplog`` and every format with ``%r`` or ``%{+Q}r`` has it.
#: Only what changes nothing is asked for again; HAProxy writes what it could not read as
#: ``<BADREQ>``.
REQUEST = re.compile(r"\b(?:GET|HEAD) (?:https?://[^/\s]+)?(/[^\s\"]*) HTTP/")


def paths(log: Path) -> tuple[str, ...]:
    """The paths of the last reading requests, in their order.

    Visitors who were logged in are asked for as strangers: the log has no passwords.

    :raises Broken: where the file cannot be read or holds no request.
    """
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            found = deque((m[1] for m in map(REQUEST.search, file) if m), LAST)
    except OSError as why:
        raise Broken(f"--log {log}: {why.strerror}") from None
    if not found:
        raise Broken(f"--log {log}: holds no GET request as HAProxy's httplog writes them")
    return tuple(found)
