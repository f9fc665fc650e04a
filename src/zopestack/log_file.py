"""A log file that is rotated by its size, and may be renamed by another program.

``logging.handlers`` has a handler for each of the two. This uses nothing but the standard library:
an instance and what writes the access log both have it.
"""

from __future__ import annotations

import json
import logging
from logging.handlers import RotatingFileHandler

from zopestack.renamed import renamed


class LogFile(RotatingFileHandler):
    """Takes the arguments of ``RotatingFileHandler``."""

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802
        """Whether the file is too large for the next record; a file that was renamed is left."""
        if self.stream and renamed(self.baseFilename, self.stream.fileno()):
            self.stream.close()
            # The base class opens the next one.
            self.stream = None
        return bool(super().shouldRollover(record))


class JsonLogFile(LogFile):
    """The same, with one JSON object a line instead of what its formatter makes.

    ``time`` is in seconds since the epoch and comes first. ``id`` is the number of the request that
    the thread served, ``exception`` a traceback; both are missing where there is none.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON, in ASCII."""
        number = getattr(record, "request_id", "")
        members = {
            "time": round(record.created, 3),
            "level": record.levelname,
            "logger": record.name,
            "line": record.lineno,
            "thread": (record.threadName or "").removesuffix(f" id={number}"),
            "id": number,
            "message": record.getMessage(),
            "exception": self._exception(record),
        }
        return json.dumps(
            {name: _encodable(value) for name, value in members.items() if value != ""},
            separators=(",", ":"),
        )

    def _exception(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = (self.formatter or logging.Formatter()).formatException(
                record.exc_info
            )
        return "\n".join(filter(None, (record.exc_text, record.stack_info)))


def _encodable(value: object) -> object:
    """A text without lone surrogates, which no other language takes in JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
