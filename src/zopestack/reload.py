"""Have HAProxy take up a new configuration without dropping a connection.

supervisord runs this as ``haproxy-reload``. Its environment holds a digest of haproxy.cfg,
so ``supervisorctl update`` restarts it when the file has changed, and only then: it signals
HAProxy's master process, which starts new workers on the same sockets while the old ones
finish what they serve (HAProxy Management Guide, "Stopping and restarting"). Then it rests
until it is stopped.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from zopestack import files, store
from zopestack.haproxy import NO_STATE
from zopestack.model import Stack
from zopestack.runtime import Runtime
from zopestack.supervision import Supervisor

#: Seconds a new worker gets to take over.
PATIENCE = 10

#: Seconds between two looks.
LOOK = 0.1


def main() -> None:
    """Reload if HAProxy runs with an older configuration, then wait for SIGTERM."""
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    stack = store.load(Path(sys.argv[1]))
    if outdated(stack):
        print("haproxy.cfg is new: reloading", flush=True)
        reload(stack)
        print("HAProxy has taken it up", flush=True)
    signal.sigwait(stop)


def outdated(stack: Stack) -> bool:
    """Whether HAProxy was started before its configuration was written.

    One that does not answer is just starting, with the new file.
    """
    try:
        uptime = int(_info(stack)["Uptime_sec"])
    except OSError:
        return False
    # HAProxy counts whole seconds; a reload too many does no harm.
    return time.time() - uptime - 1 <= stack.haproxy_conf.stat().st_mtime


def reload(stack: Stack) -> None:
    """Start new workers and return once they have taken over.

    Exits with a message where they do not; the old ones then go on serving.
    """
    runtime = Runtime(stack.haproxy_socket)
    before = _info(stack)["Pid"]
    # Without it, the new worker takes an instance that is draining or down for healthy
    # until its first check.
    files.write(stack.server_state, runtime.command("show servers state"), mode=0o600)
    master = Supervisor(stack.supervisor_socket).processes()["haproxy"].pid
    os.kill(master, signal.SIGUSR2)
    deadline = time.monotonic() + PATIENCE
    while _pid(stack) in (None, before):
        if time.monotonic() > deadline:
            sys.exit(
                f"HAProxy did not take up {stack.haproxy_conf} within {PATIENCE} s and goes on "
                f"with the old one; {stack.logs}/haproxy.out.log says why."
            )
        time.sleep(LOOK)
    # What was true now is no news to an HAProxy that starts tomorrow.
    files.write(stack.server_state, NO_STATE, mode=0o600)


def _info(stack: Stack) -> dict[str, str]:
    answer = Runtime(stack.haproxy_socket).command("show info")
    return dict(line.split(": ", 1) for line in answer.splitlines() if ": " in line)


def _pid(stack: Stack) -> str | None:
    try:
        return _info(stack)["Pid"]
    except OSError:
        return None
