"""Runs Varnish; supervisord runs this as ``varnish``.

It stays beside Varnish for the end: Varnish breaks off what it is sending when it is stopped. So
HAProxy is told first to send it nothing more, and what is under way ends.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from zopestack import files, stack_file
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.render.varnish import command
from zopestack.wait import until

#: Varnish in haproxy.cfg: its backend, and the server in it.
BACKEND = SERVER = "varnish"

#: The option of prctl(2) that has the system send a signal to a process whose parent has died.
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run Varnish until told to stop; ``run-varnish STACK_FILE``."""
    try:
        stack = stack_file.load(Path(sys.argv[1]))
        prepare(stack)
        words = command(stack)
    except (OSError, ValueError) as why:
        sys.exit(f"Varnish cannot be started: {why}")
    # Before there is a child that a signal could leave behind.
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, {*stops, signal.SIGCHLD})
    child = subprocess.Popen(words, preexec_fn=_of_its_own)
    _tell(stack, "ready")
    while child.poll() is None:
        if signal.sigwait({*stops, signal.SIGCHLD}) in stops:
            drain(stack)
            child.terminate()
            child.wait()
            sys.exit(0)
    sys.exit(child.returncode)


def prepare(stack: Stack) -> None:
    """Make what Varnish wants to be there, for this user only.

    :raises OSError: where it cannot be made.
    """
    stack.varnish_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.create_password(stack.varnish_secret)


def drain(stack: Stack) -> None:
    """Return once HAProxy waits for nothing of Varnish, or what waits has had its time."""
    if _tell(stack, "drain"):
        until(lambda: not in_flight(stack), stack.lifecycle.stop_grace)


def in_flight(stack: Stack) -> int:
    """Requests that HAProxy has given to Varnish and that have not ended."""
    with suppress(OSError):
        for row in Runtime(stack.haproxy_socket).statistics():
            if (row["pxname"], row["svname"]) == (BACKEND, SERVER):
                return int(row["scur"] or 0)
    return 0


def _tell(stack: Stack, state: str) -> bool:
    """Tell HAProxy what to do with Varnish; return whether it listens."""
    try:
        Runtime(stack.haproxy_socket).command(f"set server {BACKEND}/{SERVER} state {state}")
    except OSError:
        return False
    return True


def _of_its_own() -> None:
    """Make the child end with this process, however that ends, and let signals reach it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


if __name__ == "__main__":
    main()
