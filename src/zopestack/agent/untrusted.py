"""Why TLS keeps this process from its ZEO server, and no more attempts than one a second.

ZEO's client goes on trying, and only its log has the reason, where the instance logs that much. So
the log is listened to. A server that does not trust the client's certificate says nothing at all:
it ends the connection when the client takes it for made. Then the client would try again at once,
ninety times a second, with a line in the log each time.
"""

from __future__ import annotations

import logging
import ssl
from typing import Any

#: Which of ZEO's loggers says that a connection has failed, and as what (ZEO 6,
#: ``asyncio/client.py``): with the server's address and the exception.
LOGGER, FAILED = "ZEO.asyncio.client", "Connection to %r failed, %s"

#: What is said of a server that ends connections at once.
ENDED = "it ends every connection at once; it may not trust the certificate of the stack"

#: Seconds between two attempts.
PAUSE = 1.0

#: What has failed last, by the address of the server; empty where it was nothing of TLS.
reasons: dict[Any, str] = {}


class _Listener(logging.Filter):
    """Listens, and passes on what has been logged before.

    :param shown: the level from which on lines are logged.
    """

    def __init__(self, shown: int) -> None:
        super().__init__()
        self.shown = shown

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg == FAILED and isinstance(record.args, tuple):
            address, why = record.args
            reasons[address] = str(why) if isinstance(why, ssl.SSLError) else ""
        return record.levelno >= self.shown


def listen() -> None:
    """Begin to listen; called once, when logging is set up."""
    logger = logging.getLogger(LOGGER)
    logger.addFilter(_Listener(logger.getEffectiveLevel()))
    logger.setLevel(min(logging.INFO, logger.getEffectiveLevel()))


def pace(client: Any) -> None:
    """Make a ClientStorage wait between two attempts; ZEO 6.2 does so only where there is no
    connection at all (``asyncio/client.py``, ``ClientIO.try_connecting``).
    """
    io = client._server.client
    connect, loop = io.try_connecting, io.loop
    earliest = loop.time()

    def try_connecting() -> None:
        nonlocal earliest
        if (wait := earliest - loop.time()) > 0:
            for address in io.addrs if io.ssl else ():
                reasons[address] = ENDED
            loop.call_later(wait, again)
        else:
            earliest = loop.time() + PAUSE
            connect()

    def again() -> None:
        # Another one may be under way by now.
        if all(each.closed for each in io.protocols):
            try_connecting()

    io.try_connecting = try_connecting
