"""Requests as waitress reads them, and none that Python's own URL parser breaks on.

waitress and Zope hand a request's target and host to ``urllib.parse``, which raises ValueError
for ``[:::::]`` or a port past 65535. HAProxy lets none of these through; whoever reaches an
instance past HAProxy is told that the request is wrong, and no traceback is logged for it.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from waitress.parser import HTTPRequestParser, ParsingError

#: Nearly every host: there is nothing in it to break on.
PLAIN = re.compile(r"[A-Za-z0-9._-]*(:[0-9]{0,4})?")


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """A request on its way in; one that cannot be read is answered with 400."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the headers.

        :raises ParsingError: where that cannot be done; waitress knows what to answer.
        """
        try:
            super().parse_header(header_plus)
            check_host(self.headers.get("HOST", ""))
        except ValueError as why:
            raise ParsingError("The request's target, host or length is malformed.") from why


def check_host(host: str) -> None:
    """Nothing, for a host that can stand in a URL.

    :raises ValueError: for any other.
    """
    if not PLAIN.fullmatch(host):
        _ = urlsplit(f"http://{host}").port
