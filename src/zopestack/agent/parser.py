"""Refuse requests on which Python's own URL parser fails.

waitress and Zope pass the target and the host of a request to ``urllib.parse``, which raises
ValueError for ``[:::::]`` or for a port above 65535. HAProxy refuses such requests. A client that
bypasses HAProxy gets 400, and no traceback is logged.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from waitress.parser import HTTPRequestParser, ParsingError

#: Nearly every host matches this, and needs no further check.
PLAIN = re.compile(r"[A-Za-z0-9._-]*(:[0-9]{0,4})?")


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """A request that is being received; a malformed one is answered with 400."""

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the headers.

        :raises ParsingError: if they are malformed; waitress turns it into a response.
        """
        try:
            super().parse_header(header_plus)
            check_host(self.headers.get("HOST", ""))
        except ValueError as why:
            raise ParsingError("The request's target, host or length is malformed.") from why


def check_host(host: str) -> None:
    """Accept a host that is valid in a URL.

    :raises ValueError: if it is not.
    """
    if not PLAIN.fullmatch(host):
        _ = urlsplit(f"http://{host}").port
