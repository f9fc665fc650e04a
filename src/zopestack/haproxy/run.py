"""Runs HAProxy, its standard output the pipe of the access log.

supervisord runs this as ``haproxy``. It becomes HAProxy; ``log_writer`` reads the pipe.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from zopestack import files, stack_file
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
    # Also where no log is wanted now: a reload may turn it on, and keeps this output. Open it for
    # reading as well, so that the pipe keeps what is written while nobody reads.
    os.dup2(log_writer.opened(str(stack.access_pipe), os.O_RDWR), 1)
    words = command(stack)
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


if __name__ == "__main__":
    main()
