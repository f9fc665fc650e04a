"""A log file that is rotated by its size, and may be renamed by another program.

``logging.handlers`` has a handler for each of the two. This uses nothing but the standard library:
an instance and what writes the access log both have it.
"""

from __future__ import annotations

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
