"""``supervisorctl trace``: what the logs have of one request, by its number.

The number is on the page of an error, in the header ``X-Request-ID`` that Zope gets, in HAProxy's
access log, and beside the thread's name in the log of the instance.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from zopestack.features.instances import Instance
from zopestack.haproxy import access_line
from zopestack.model import Stack
from zopestack.supervisor.stopped import Stopped

#: A number, or enough of its beginning.
NUMBER = re.compile(r"[A-Za-z0-9-]{8,64}")

#: How a record of Zope's log begins.
RECORD = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}[ T]|{access_line.JSON.pattern}")

#: Who ended a request, and when: the first two of the four characters of the session state
#: (HAProxy's manual, "Session state at disconnection").
ENDED = {
    "C": "the client closed the connection",
    "S": "the instance closed the connection",
    "P": "HAProxy refused it",
    "L": "HAProxy answered it itself",
    "R": "HAProxy had no room for it",
    "I": "HAProxy had an error of its own",
    "D": "the instance was taken out while it ran",
    "U": "the instance came back while it ran",
    "K": "an operator ended it",
    "c": "the client was too slow",
    "s": "the instance was too slow, or nobody had a thread in time",
}
WHEN = {
    "R": "before the request was complete",
    "Q": "while it waited for a thread",
    "C": "while HAProxy connected to the instance",
    "H": "before the response began",
    "D": "while the response was sent",
    "L": "while the last of the response was sent",
    "T": "while it was held back",
}

#: HAProxy's word where it chose no instance.
NOBODY = "<NOSRV>"


def trace(stack: Stack, number: str) -> str:
    """Return what is known of a request as text.

    :param number: of the request, or its first eight characters or more.
    :raises Stopped: if it is in no log, or no number.
    """
    if not NUMBER.fullmatch(number):
        raise Stopped(f"expected at least 8 characters of a request's number, not {number!r}")
    found = [*_access(stack, number), *_records(stack, number)]
    if not found:
        raise Stopped(
            f"{number} is in no log in {stack.logs}. Logs are kept for log-files times log-size"
        )
    return "\n".join(found)


def _access(stack: Stack, number: str) -> Iterator[str]:
    """What HAProxy has logged of it."""
    for line in _lines(stack.access_log, re.compile(number)):
        found = access_line.parsed(line)
        # A client may have written the number into another request.
        if not found or not found.id.startswith(number):
            continue
        who, when = ENDED.get(found.state[0]), WHEN.get(found.state[1])
        yield f"request {found.id}"
        yield f"  arrived    {found.time} from {found.client}"
        yield f"  asked      {found.request}"
        yield f"  instance   {_server(found.instance)}"
        yield f"  queue      {_milliseconds(found.queue)}"
        yield f"  response   {_milliseconds(found.response)}"
        yield f"  in all     {_milliseconds(found.total)}"
        yield f"  status     {found.status}"
        if who:
            yield f"  ended      {' '.join(filter(None, (who, when)))} ({found.state})"


def _records(stack: Stack, number: str) -> Iterator[str]:
    """What the instances have logged of it, each record with its further lines."""
    for instance in stack.instances:
        mark = re.compile(rf'(\bid=|"id":"){number}')
        records = list(_lines(_log(stack, instance), mark, whole=True))
        if records:
            yield f"  logged by {instance.name}"
            yield from (f"    {line}" for record in records for line in _text(record))


def _text(line: str) -> Iterator[str]:
    """A line of an instance's log as lines of text; one that is text already, unchanged."""
    if not access_line.JSON.match(line):
        yield line
        return
    try:
        told = json.loads(line)
        at = datetime.fromtimestamp(told["time"]).isoformat(" ", "milliseconds").replace(".", ",")
        yield (
            f"{at} {told['level']:7} [{told['logger']}:{told['line']}]"
            f"[{told['thread']} id={told['id']}] {told['message']}"
        )
        yield from told.get("exception", "").splitlines()
    # A line that is cut, or somebody else's.
    except (ValueError, KeyError, TypeError):
        yield line


def _log(stack: Stack, instance: Instance) -> Path:
    return stack.logs / f"{instance.name}.log"


def _server(name: str) -> str:
    return "none" if name == NOBODY else name


def _milliseconds(text: str) -> str:
    """A time of HAProxy's; -1 for what has not happened."""
    return "never" if text.startswith("-") else f"{text} ms"


def _lines(log: Path, mark: re.Pattern[str], whole: bool = False) -> Iterator[str]:
    """Yield the lines with a mark, of a log and those of before, the oldest first.

    :param whole: whether what follows, up to the next record, belongs to it.
    """
    for path in sorted(log.parent.glob(f"{log.name}*"), key=lambda each: each.stat().st_mtime):
        with _opened(path) as file:
            belongs = False
            for line in file:
                belongs = bool(mark.search(line)) or (whole and belongs and not RECORD.match(line))
                if belongs:
                    yield line.rstrip("\n")


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="backslashreplace")
    return path.open(encoding="utf-8", errors="backslashreplace")
