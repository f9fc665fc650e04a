"""Writes HAProxy's access log: standard input into a file that is rotated.

``run-haproxy`` starts this file as a script with nothing but the standard library
(``python -I -S log_writer.py FILE BYTES COUNT``): a process that always runs and only moves
bytes need not hold the product and its libraries in memory (8 MB instead of 18).

supervisord could keep the log as well, but does so a line at a time, which costs as much CPU as
half of HAProxy (docs/explanation/measured.rst, "One access log, by HAProxy"). HAProxy cannot
rotate a file, and the programs that can (rotatelogs, svlogd) are packages of a distribution, which
not every user may install.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from logging.handlers import RotatingFileHandler

#: Bytes of the pipe: the most that a user may ask for on Linux (pipe(7)), some thousand lines.
#: HAProxy drops lines rather than wait for a full one.
PIPE = 1 << 20

#: Seconds in which lines gather, so that one write takes many: what makes this cheap.
PAUSE = 0.2


def main() -> None:
    """Write until the last process that can write into the pipe has ended."""
    log, size, count = sys.argv[1:]
    handler = RotatingFileHandler(
        log,
        maxBytes=int(size),
        backupCount=int(count),
        encoding="utf-8",
        errors="surrogateescape",
        # No file before there is a line.
        delay=True,
    )
    handler.terminator = ""
    while lines := os.read(sys.stdin.fileno(), PIPE):
        text = lines.decode("utf-8", "surrogateescape")
        handler.emit(logging.makeLogRecord({"msg": text}))
        time.sleep(PAUSE)
    handler.close()


if __name__ == "__main__":
    main()
