"""Bodies of requests on their way to an instance: how slow, and how much of one client.

waitress reads a body into memory or a temporary file before a thread gets the request, and
sets no end to it. HAProxy bounds the beginning (``timeout-http-request``) and the size
(``max-body-size``); what goes on past that is only seen here.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from waitress.parser import HTTPRequestParser
from waitress.utilities import Error

#: Bytes a second below which a body will never be here. Apache's mod_reqtimeout has the same
#: default (its documentation, "RequestReadTimeout", MinRate).
LOWEST_RATE = 500

#: What HAProxy says of the client (``templates/haproxy-hardening.cfg.j2``), and how many
#: bodies that client is sending at once, this one included; as waitress spells a header.
CLIENT, UPLOADS = "X_FORWARDED_FOR", "ZOPESTACK_UPLOADS"


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

    :param client: whose it is; empty where nobody says, or where it is not counted.
    :param began: when its headers were here (``time.monotonic``).
    """

    request: HTTPRequestParser
    client: str
    began: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        """Bytes as announced; where nothing is, those that are here."""
        return max(self.request.content_length, self.request.body_bytes_received)


class Arrivals:
    """Every body on its way to one instance.

    :param patience: seconds for a body's beginning.
    :param limit: bytes that one client may have on the way to this instance beside one body
        of any size; 0 for any number.
    """

    def __init__(self, patience: float, limit: int) -> None:
        self.patience = patience
        self.limit = limit
        self._open: set[Arrival] = set()

    def begin(self, request: HTTPRequestParser) -> Arrival:
        """A request's headers are here, and not all of its body."""
        arrival = Arrival(request, counted_client(request.headers))
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
        if self.limit and arrival.client:
            others = [each.size for each in self._open if each.client == arrival.client]
            if sum(others) > self.limit:
                return TooManyRequests("Too much is on its way from you. Try again later.")
        return None


def counted_client(headers: Mapping[str, str]) -> str:
    """Whose bytes a request's body counts among: an IPv4 address or an IPv6 network of 64 bits.

    Empty for this machine itself, and for the only body that a client is sending, which may be
    as large as any.
    """
    if headers.get(UPLOADS, "1") == "1":
        return ""
    try:
        address = ipaddress.ip_address(headers.get(CLIENT, ""))
    except ValueError:
        return ""
    if address.is_loopback:
        return ""
    bits = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))
