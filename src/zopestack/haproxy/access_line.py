"""A line of the access log, as ``zopestack.features.access_log`` has HAProxy write it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime

#: A line of text.
TEXT = re.compile(
    r"(?P<instance>\S+) status=(?P<status>\S+) queue=(?P<queue>\S+) response=(?P<response>\S+) "
    r"total=(?P<total>\S+) (?P<state>\S+) id=(?P<id>\S+) (?P<client>\S+) - - "
    r'\[(?P<time>[^]]+)\] "(?P<request>.*?)" -?\d+ \d+ "[^"]*" "[^"]*" host=(?P<host>\S+)'
)

#: How a line of JSON begins, also in an instance's log; the time is in seconds since the epoch.
JSON = re.compile(r'\{"time":(\d+(?:\.\d+)?),')

#: How HAProxy writes a time in text (its manual, "%T").
TIME = "%d/%b/%Y:%H:%M:%S %z"

#: HAProxy's word for what there is not, in JSON.
NOTHING = "-"


@dataclass(frozen=True)
class AccessLine:
    """What HAProxy has logged of one request.

    :param time: of the arrival, in the form of the combined format.
    :param instance: or HAProxy's word where it chose none, such as ``<NOSRV>``.
    :param queue: milliseconds; like the next two ``-1`` for what has not happened.
    :param state: of the session at disconnection.
    :param request: its first line.
    :param host: ``-`` where the client sent none.
    """

    time: str
    instance: str
    status: str
    queue: str
    response: str
    total: str
    state: str
    id: str
    client: str
    request: str
    host: str


def parsed(line: str) -> AccessLine | None:
    """The request of a line, which may be text or JSON; None for any other line."""
    if JSON.match(line):
        return _of_json(line)
    found = TEXT.search(line)
    return AccessLine(**found.groupdict()) if found else None


def _of_json(line: str) -> AccessLine | None:
    try:
        told = json.loads(line)
        words = (told[name] for name in ("method", "url", "version"))
        request = " ".join(word for word in words if word != NOTHING)
        at = datetime.fromtimestamp(told["time"], UTC).strftime(TIME)
        rest = {each.name for each in fields(AccessLine)} - {"time", "request"}
        return AccessLine(
            time=at,
            request=_escaped(request),
            **{name: _escaped(str(told[name])) for name in rest},
        )
    # A line that is cut, or somebody else's.
    except (ValueError, KeyError, TypeError):
        return None


def _escaped(text: str) -> str:
    """A text that gives no orders to a terminal."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
