"""Refuse a request that was stuck at another instance, so that it does not stop this one, too.

HAProxy sends a GET to the next instance when the first one dies without an answer, also when a
guard has killed that one because of this very request. Nothing on HAProxy's side tells the two
apart: ``shutdown sessions server`` has it sent again, and rules that look at a response which does
not come keep it from sending anything again (HAProxy 2.6.12). But each try carries the time of the
first (``Zopestack-Sent`` in haproxy.cfg).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from zopestack.agent.meter import SAFE, Application, Environ
from zopestack.agent.refusal import headers

logger = logging.getLogger("zopestack.agent")

#: When HAProxy received the request, in milliseconds of the system's clock, in WSGI's spelling.
SENT = "HTTP_ZOPESTACK_SENT"

#: For a client that asks the instance itself; HAProxy sends its own page.
BODY = b"This request has taken too long at another instance. It is not tried again.\n"


class Once:
    """A WSGI filter in front of Zope.

    :param stuck_after: seconds after which a request that comes again was stuck.
    """

    def __init__(self, application: Application, stuck_after: float) -> None:
        self.application = application
        self.stuck_after = stuck_after

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass a request on, or answer 504."""
        sent = environ.get(SENT, "")
        # HAProxy sends no others again. Their time may be that of an upload.
        if sent and self._stuck(sent) and environ["REQUEST_METHOD"] in SAFE:
            logger.error("was stuck at another instance: %s", environ.get("PATH_INFO", ""))
            start_response("504 Gateway Timeout", headers(BODY))
            return [BODY]
        return self.application(environ, start_response)

    def _stuck(self, sent: str) -> bool:
        return seconds_since(sent) > self.stuck_after


def seconds_since(sent: str) -> float:
    """Return how long ago HAProxy received a request; 0 if that is not what the header says.

    :param sent: the header, into which a client that asks the instance itself may write anything.
    """
    if not (sent.isascii() and sent.isdecimal()):
        return 0.0
    return time.time() - int(sent[:16]) / 1000
