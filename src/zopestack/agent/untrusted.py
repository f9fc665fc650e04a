"""Why TLS keeps this process from its ZEO server.

ZEO's client goes on trying, and only its log has the reason, where the instance logs that much. So
the log is listened to.
"""

from __future__ import annotations

import logging
import ssl
from typing import Any

#: Which of ZEO's loggers says that a connection has failed, and as what (ZEO 6,
#: ``asyncio/client.py``): with the server's address and the exception.
LOGGER, FAILED = "ZEO.asyncio.client", "Connection to %r failed, %s"

#: Why TLS has failed last, by the address of the server; empty where it was something else.
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
    """Begin; called once, when logging is set up."""
    logger = logging.getLogger(LOGGER)
    logger.addFilter(_Listener(logger.getEffectiveLevel()))
    logger.setLevel(min(logging.INFO, logger.getEffectiveLevel()))
