"""Request bodies that an instance is still receiving: their rate, and their total per client.

waitress reads a body into memory or a temporary file before a thread gets the request, and has
no timeout for it. HAProxy limits how long the first part may take (``timeout-http-request``) and
the size (``max-body-size``). The rest of the body can only be limited here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from waitress.parser import HTTPRequestParser
from waitress.utilities import Error

#: Minimum rate of a body, in bytes per second. Apache's mod_reqtimeout has the same default
#: (its documentation, "RequestReadTimeout", MinRate).
LOWEST_RATE = 500

#: The header, in waitress's spelling, in which HAProxy sends three values
#: (``templates/haproxy-limits.cfg.j2``): how many bodies the client is sending, including this
#: one; how many bytes its bodies to this instance may have in total; and the client's address.
UPLOADS = "ZOPESTACK_UPLOADS"


class RequestTimeout(Error):  # type: ignore[misc]
    """A request body that stalls or arrives too slowly."""

    code = 408
    reason = "Request Timeout"


class TooManyRequests(Error):  # type: ignore[misc]
    """A client that sends more bytes in concurrent bodies than it may."""

    code = 429
    reason = "Too Many Requests"


@dataclass(eq=False)
class Arrival:
    """A request body that is being received.

    :param client: address of the client; empty if the body is not counted.
    :param limit: bytes that all bodies from this client may have on this instance.
    :param began: when its headers were complete (``time.monotonic``).
    """

    request: HTTPRequestParser
    client: str
    limit: int
    began: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        """The announced size in bytes; if none was announced, the bytes received so far."""
        return int(max(self.request.content_length, self.request.body_bytes_received))


class Arrivals:
    """All request bodies that one instance is receiving.

    :param timeout: seconds that the first part of a body may take.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._open: set[Arrival] = set()

    def begin(self, request: HTTPRequestParser) -> Arrival:
        """Start to track the body of a request whose headers are complete."""
        arrival = Arrival(request, *counted(request.headers))
        self._open.add(arrival)
        return arrival

    def end(self, arrival: Arrival) -> None:
        """Stop tracking a body that is complete or was given up."""
        self._open.discard(arrival)

    def refusal(self, arrival: Arrival) -> Error | None:
        """Return the error with which to refuse a body, or None to keep receiving it."""
        allowed = self.timeout + arrival.request.body_bytes_received / LOWEST_RATE
        if time.monotonic() - arrival.began > allowed:
            return RequestTimeout(
                f"The request body arrives at less than {LOWEST_RATE} bytes per second."
            )
        if arrival.client:
            sizes = [each.size for each in self._open if each.client == arrival.client]
            if sum(sizes) > arrival.limit:
                return TooManyRequests("Too many concurrent uploads. Try again later.")
        return None


def counted(headers: Mapping[str, str]) -> tuple[str, int]:
    """Return the client to which a body counts, and the byte limit of that client.

    :returns: an empty client if HAProxy does not count it, or if this is the client's only body:
        a single body may have any size up to ``max-body-size``.
    """
    number, limit, client = (headers.get(UPLOADS) or "1 0 nobody").split()
    return ("", 0) if number == "1" else (client, int(limit))
