"""Writes HAProxy's access log: from a named pipe into a file that is rotated.

supervisord runs this as ``access-log``. HAProxy holds the pipe open whether anybody reads it or
not, so what it writes while this is started again waits there, 1 MB of it. This uses nothing but
the standard library: a process that always runs and only moves bytes need not hold the product's
libraries in memory.

supervisord could keep the log as well, but does so a line at a time, which costs as much CPU as
half of HAProxy (docs/explanation/measured.rst, "One access log, by HAProxy"). HAProxy cannot
rotate a file, and the programs that can (rotatelogs, svlogd) are packages of a distribution, which
not every user may install.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import signal
import sys
import time
from contextlib import suppress

from zopestack.log_file import LogFile

#: Bytes of the pipe: the most that a user may ask for on Linux (pipe(7)), some thousand lines.
#: HAProxy drops lines rather than wait for a full one.
PIPE = 1 << 20

#: Seconds in which lines gather, so that one write takes many: what makes this cheap.
PAUSE = 0.2


def main() -> None:
    """Write until told to stop; ``write-access-log PIPE FILE BYTES COUNT``.

    SIGUSR1 ends it when all that is in the pipe is written. SIGTERM, which may have gone to every
    process of the machine, ends it when HAProxy has ended: its last lines are still to come.
    """
    pipe, log, size, count = sys.argv[1:]
    told: set[int] = set()
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, lambda number, _: told.add(number))
    # As from a terminal that is closed.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    waiting, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking)
    source = opened(pipe, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    for each in (source, waiting):
        poll.register(each, select.POLLIN)
    handler = _handler(log, int(size), int(count))
    while True:
        try:
            lines = os.read(source, PIPE)
        except BlockingIOError:
            if signal.SIGUSR1 in told:
                break
            ready = dict(poll.poll())
            # Once it is read, only HAProxy's end of the pipe wakes this process again.
            if waiting in ready:
                os.read(waiting, PIPE)
            continue
        if lines:
            _write(handler, lines)
        elif told:
            break
        # Nothing, where HAProxy does not run.
        time.sleep(PAUSE)
    handler.close()


def opened(path: str, flags: int) -> int:
    """The pipe, made unless it is there.

    :raises OSError: where it cannot be made.
    """
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    pipe = os.open(path, flags)
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)
    return pipe


def _handler(log: str, size: int, count: int) -> LogFile:
    handler = LogFile(
        log,
        maxBytes=size,
        backupCount=count,
        encoding="utf-8",
        errors="surrogateescape",
        # No file before there is a line.
        delay=True,
    )
    handler.terminator = ""
    return handler


def _write(handler: LogFile, lines: bytes) -> None:
    text = lines.decode("utf-8", "surrogateescape")
    handler.emit(logging.makeLogRecord({"msg": text}))


if __name__ == "__main__":
    main()
