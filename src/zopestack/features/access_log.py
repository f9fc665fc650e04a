"""HAProxy's line for every request, and in which form logs are written."""

from __future__ import annotations

from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import switch

TEXT, JSON = FORMATS = ("text", "json")

#: One line a request (HAProxy's manual, "Custom log format"). What a visitor cannot write comes
#: first: the server, the status, milliseconds in the queue, to the response's headers, and in all;
#: how it ended ("Session state at disconnection"), and the request's id. Then, from the eighth
#: field on, what most programs for logs expect, and the host.
LINE = (
    "%s status=%ST queue=%Tw response=%Tr total=%Ta %tsc id=%ID "
    "%[src] - - [%T] %{+Q}r %ST %B %{+Q}hrl host=%[var(txn.host)]"
)

#: Bytes of a URL and of a host in JSON, where a byte takes up to two and six: more than is let
#: through of the one (``zopestack.features.timings``), and than the other may have (RFC 1035,
#: 2.3.4). HAProxy logs ``-`` for what has no room in its buffer, and cuts a line that is too long.
URL, HOST = 15360, 255

#: The same as JSON: what HAProxy knows as numbers, and as text of its own.
NUMBERS = {"status": "%ST", "queue": "%Tw", "response": "%Tr", "total": "%Ta", "bytes": "%B"}
OWN = {"instance": "%s", "state": "%tsc", "id": "%ID", "client": "%[src]"}

#: And what a visitor may have written. ``json(utf8s)`` leaves out what is no UTF-8, escapes the
#: rest, and writes ASCII only (HAProxy's manual, "json").
VISITORS = {
    "method": "capture.req.method",
    "url": f"capture.req.uri,bytes(0,{URL})",
    "version": "capture.req.ver",
    "referer": "var(txn.referer)",
    "user_agent": "var(txn.user_agent)",
    "host": f"var(txn.host),bytes(0,{HOST})",
}


def _format(text: str) -> str:
    if text not in FORMATS:
        raise ValueError(" or ".join(FORMATS))
    return text


def _json() -> str:
    members = {
        # Of the arrival, in seconds since the epoch.
        "time": "%Ts.%ms",
        **{name: f'"{value}"' for name, value in OWN.items()},
        **NUMBERS,
        **{name: f'"%[{value},json(utf8s)]"' for name, value in VISITORS.items()},
    }
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"


@feature
class AccessLog(Feature):
    """Whether every request is logged, and how."""

    access_log: bool = option(
        switch, "on", "Whether HAProxy writes a line for every request to ``var/log/access.log``."
    )
    log_format: str = option(
        _format,
        TEXT,
        "The form of HAProxy's access log and of the instances' logs: ``text``, or ``json`` for "
        "one JSON object a line. See :doc:`/reference/logs`.",
    )

    @property
    def json(self) -> bool:
        """Whether logs are JSON."""
        return self.log_format == JSON

    @property
    def format(self) -> str:
        """The line, as HAProxy's ``log-format``."""
        return _json() if self.json else LINE
