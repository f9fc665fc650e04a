"""The requests of an HAProxy access log, to be asked for again."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zopestack_bench.farm import Broken

#: How many of the last requests are replayed.
LAST = 500

#: As the generated haproxy.cfg has it (its ``log-format``).
OURS = re.compile(
    r'"(?P<request>[^"]*)" (?P<status>\d{3}) \d+ "[^"]*" "[^"]*" (?P<server>\S+) queue='
    r"(?:.* host=(?P<host>\S+))?"
)

#: As ``option httplog`` has it (HAProxy's manual, "HTTP log format").
HTTPLOG = re.compile(
    r" \S+/(?P<server>\S+) [-+\d/]+ (?P<status>\d{3}) \+?\d+ .*"
    r'"(?P<request>[^"]*)"(?P<host>)\s*$'
)

#: Only what changes nothing is asked for again. HAProxy writes characters that no URL has as
#: ``#`` and a number, and cuts what is too long.
REQUEST = re.compile(r"GET (?:https?://(?P<host>[^/\s]+))?(?P<path>/[!-~]*) HTTP/[\d.]+")


@dataclass(frozen=True)
class Logged:
    """A request in a log.

    :param host: as the visitor sent it; empty where the log does not say.
    """

    host: str
    path: str


def requests(log: Path) -> tuple[Logged, ...]:
    """The last GET requests that an instance or the cache answered well, in their order.

    Visitors who were logged in are asked for as strangers: the log has no passwords.

    :raises Broken: where the file cannot be read or holds no such request.
    """
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            found = deque((each for line in file for each in _logged(line)), LAST)
    except OSError as why:
        raise Broken(f"--log {log}: {why.strerror}") from None
    if not found:
        raise Broken(
            f"--log {log}: holds no GET that was answered, in a form that HAProxy writes "
            "(the generated log-format, or option httplog)"
        )
    return tuple(found)


def _logged(line: str) -> Iterator[Logged]:
    entry = OURS.search(line) or HTTPLOG.search(line)
    # In <> is what HAProxy answered itself, a redirect for instance.
    if not entry or entry["status"][0] not in "23":
        return
    if entry["server"].startswith("<") and entry["server"] != "<CACHE>":
        return
    request = REQUEST.fullmatch(entry["request"])
    if request and "#" not in request["path"]:
        host = entry["host"] or ""
        yield Logged((request["host"] or host.strip("-")).lower(), request["path"])
