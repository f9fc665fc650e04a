"""Bodies of requests on their way to an instance: how slow, and how much of one client.

waitress reads a body into memory or a temporary file before a thread gets the request, and
sets no end to it. HAProxy bounds the beginning (``timeout-http-request``) and the size
(``max-body-size``); what goes on past that is only seen here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from waitress.parser import HTTPRequestParser
from waitress.utilities import Error

#: Bytes a second below which a body will never be here. Apache's mod_reqtimeout has the same
#: default (its documentation, "RequestReadTimeout", MinRate).
LOWEST_RATE = 500

#: In which HAProxy says (``templates/haproxy-limits.cfg.j2``) how many bodies the client is
#: sending, this one included, how many bytes those to this instance may have together, and
#: who the client is; as waitress spells a header.
UPLOADS = "ZOPESTACK_UPLOADS"


class RequestTimeout(Error):  # type: ignore[misc]
    """A body that does not come, or comes too slowly."""

    code = 408
    reason = "Request Timeout"


class TooManyRequests(Error):  # type: ignore[misc]
    """More bytes of bodies at once than one client may have on the way."""

    code = 429
    reason = "Too Many Requests"


@dataclass(eq=False)
class Arrival:
    """A body on its way.

    :param client: whose it is; empty where it is not counted.
    :param limit: bytes that all bodies of this client may have here.
    :param began: when its headers were here (``time.monotonic``).
    """

    request: HTTPRequestParser
    client: str
    limit: int
    began: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        """Bytes as announced; where nothing is, those that are here."""
        return int(max(self.request.content_length, self.request.body_bytes_received))


class Arrivals:
    """Every body on its way to one instance.

    :param patience: seconds for a body's beginning.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._open: set[Arrival] = set()

    def begin(self, request: HTTPRequestParser) -> Arrival:
        """A request's headers are here, and not all of its body."""
        arrival = Arrival(request, *counted(request.headers))
        self._open.add(arrival)
        return arrival

    def end(self, arrival: Arrival) -> None:
        """It is here, or given up."""
        self._open.discard(arrival)

    def complaint(self, arrival: Arrival) -> Error | None:
        """Why a body is waited for no longer, or None."""
        allowed = self.patience + arrival.request.body_bytes_received / LOWEST_RATE
        if time.monotonic() - arrival.began > allowed:
            return RequestTimeout(f"The body comes at less than {LOWEST_RATE} bytes a second.")
        if arrival.client:
            sizes = [each.size for each in self._open if each.client == arrival.client]
            if sum(sizes) > arrival.limit:
                return TooManyRequests("Too much is on its way from you. Try again later.")
        return None


def counted(headers: Mapping[str, str]) -> tuple[str, int]:
    """Among whose bytes a body counts, and how many these may be.

    :returns: no client where HAProxy does not count, or where it is sending no other body: one
        may have any size.
    """
    number, limit, client = (headers.get(UPLOADS) or "1 0 nobody").split()
    return ("", 0) if number == "1" else (client, int(limit))
