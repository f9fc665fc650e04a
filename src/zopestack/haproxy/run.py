"""Runs HAProxy, and beside it the process that writes its access log.

supervisord runs this as ``haproxy``. It becomes HAProxy, whose standard output is a pipe to
``log_writer``; the reasons for that process are there.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from zopestack import files, stack_file
from zopestack.features.timings import Sizes
from zopestack.haproxy import log_writer
from zopestack.haproxy.program import NO_STATE
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack


def main() -> None:
    """Become HAProxy, its standard output the access log; ``run-haproxy STACK_FILE``."""
    try:
        stack = stack_file.load(Path(sys.argv[1]))
    except OSError as why:
        sys.exit(f"HAProxy cannot be started: {why}")
    # Also where no log is wanted now: a reload may turn it on, and keeps this output.
    os.dup2(writer(stack.access_log, stack.sizes), 1)
    words = command(stack)
    # A shutdown of the machine sends it to every process. Instances are still to answer then, and
    # supervisord ends HAProxy in its turn, with SIGUSR1. HAProxy's worker leaves this as it is.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.execv(words[0], words)


def command(stack: Stack) -> list[str]:
    """How HAProxy is started: with the sockets of one that still runs, so that they never close,
    and with what that one knows of the instances.
    """
    words = [str(stack.haproxy), "-W", "-db", "-f", str(stack.haproxy_conf)]
    try:
        state = Runtime(stack.haproxy_socket).command("show servers state")
        words += ["-x", str(stack.haproxy_socket)]
    except OSError:
        state = NO_STATE
    # Where it cannot be written, the health checks tell as much a second later.
    with suppress(OSError):
        files.write(stack.server_state, state, mode=0o600)
    return words


def writer(log: Path, sizes: Sizes) -> int:
    """A pipe whose lines end up in a log file; the descriptor to write to.

    The process at its other end is a child of init and ends with the last writer.
    """
    there, here = os.pipe()
    fcntl.fcntl(here, fcntl.F_SETPIPE_SZ, log_writer.PIPE)
    if child := os.fork():
        os.close(there)
        os.waitpid(child, 0)
        return here
    try:
        # A signal that ends HAProxy must not end this: the last lines are still to come.
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            os.dup2(there, 0)
            script = [log_writer.__file__, str(log), str(sizes.log_bytes), str(sizes.log_files)]
            # The pipe's own descriptors are closed here (PEP 446), standard input stays.
            os.execv(sys.executable, [sys.executable, "-I", "-S", *script])
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
