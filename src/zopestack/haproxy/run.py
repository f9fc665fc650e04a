"""Runs HAProxy, and keeps its access log.

supervisord runs this as ``haproxy``. It could keep the log as well, but does so a line at a
time, which costs as much CPU as half of HAProxy (docs/benchmark.rst). Here HAProxy writes the
lines into a pipe, and a process beside it empties the pipe a few times a second.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

from zopestack import stack_file
from zopestack.features.timings import Sizes

#: Bytes of the pipe: the most that a user may ask for on Linux (pipe(7)), some thousand lines.
#: HAProxy drops lines rather than wait for a full one.
PIPE = 1 << 20

#: Seconds in which lines gather. It is what makes the difference.
PAUSE = 0.2


def main() -> None:
    """Become HAProxy, its standard output the access log; ``run-haproxy STACK_FILE``."""
    stack = stack_file.load(Path(sys.argv[1]))
    # Also where none is wanted now: a reload may bring one, and keeps this output.
    os.dup2(kept(stack.access_log, stack.sizes), 1)
    program = str(stack.balancer.executable)
    os.execv(program, [program, "-W", "-db", "-f", str(stack.haproxy_conf)])


def kept(log: Path, sizes: Sizes) -> int:
    """A pipe whose lines end up in a log file; the descriptor to write to.

    The process that keeps the log is nobody's child and ends with the last who can write.
    """
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    if child := os.fork():
        os.close(reader)
        os.waitpid(child, 0)
        return writer
    try:
        # What tells HAProxy to end does not end this: the last lines are still to come.
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            os.close(writer)
            keep(reader, log, sizes)
    finally:
        os._exit(0)


def keep(reader: int, log: Path, sizes: Sizes) -> None:
    """Write to the log what comes, in large pieces, until nothing can come any more."""
    handler = RotatingFileHandler(
        log,
        maxBytes=sizes.log_bytes,
        backupCount=sizes.log_files,
        encoding="utf-8",
        errors="surrogateescape",
        # No file before there is a line.
        delay=True,
    )
    handler.terminator = ""
    while lines := os.read(reader, PIPE):
        text = lines.decode("utf-8", "surrogateescape")
        handler.emit(logging.makeLogRecord({"msg": text}))
        time.sleep(PAUSE)
    handler.close()


if __name__ == "__main__":
    main()
