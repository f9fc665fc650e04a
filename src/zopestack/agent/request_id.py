"""Every line that Zope logs while it serves a request names the request.

HAProxy gives each request a number (``unique-id-header``) and writes it into its access log;
here it stands beside the thread's name, ``[waitress-0 id=551c253f-...]``, so that an error in
the event log is found again in HAProxy's log, with what was asked and by whom. The message
itself stays as it is: tools that group by message go on doing so.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from zopestack.agent.meter import Meter

#: HAProxy's is a UUID. Whoever reaches an instance past HAProxy may send anything.
PLAIN = re.compile(r"[A-Za-z0-9-]{1,64}")


def name_requests(meter: Meter) -> None:
    """Have log records name the request that their thread is in."""
    make = logging.getLogRecordFactory()

    def named(*args: Any, **options: Any) -> logging.LogRecord:
        record = make(*args, **options)
        number = meter.request_id(record.thread or 0)
        if PLAIN.fullmatch(number):
            record.threadName = f"{record.threadName} id={number}"
        return record

    logging.setLogRecordFactory(named)
