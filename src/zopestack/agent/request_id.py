"""Add the request id to every line that Zope logs while it serves a request.

HAProxy assigns each request an id (``unique-id-header``) and writes it to its access log. This
module adds it to the thread's name, ``[waitress-0 id=551c253f-...]``, so that an error in the
event log can be found in HAProxy's log, with its URL and its client. The message itself does not
change, so that tools that group log entries by message keep working.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from zopestack.agent.meter import Meter

#: HAProxy sends a UUID. A client that bypasses HAProxy may send anything.
PLAIN = re.compile(r"[A-Za-z0-9-]{1,64}")


def name_requests(meter: Meter) -> None:
    """Add to each log record the id of the request that its thread is serving."""
    make = logging.getLogRecordFactory()

    def named(*args: Any, **options: Any) -> logging.LogRecord:
        record = make(*args, **options)
        number = meter.request_id(record.thread or 0)
        if PLAIN.fullmatch(number):
            record.request_id = number
            record.threadName = f"{record.threadName} id={number}"
        return record

    logging.setLogRecordFactory(named)
