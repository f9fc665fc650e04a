"""Have HAProxy take up new files without dropping a connection.

supervisord runs this as ``haproxy-reload``. Its environment holds a digest of every file
that HAProxy is given, so ``supervisorctl update`` restarts it when one of them has changed,
and only then; whoever renews a certificate restarts it by hand or from certbot's deploy
hook. It looks whether the files are good and signals HAProxy's master process, which starts
new workers on the same sockets while the old ones finish what they serve (HAProxy
Management Guide, "Stopping and restarting"). Then it rests until it is stopped.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from zopestack import files, stack_file
from zopestack.features import certificates
from zopestack.haproxy import program
from zopestack.haproxy.program import NO_STATE
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.supervisor.client import Supervisor

#: Seconds a new worker gets to take over.
PATIENCE = 10

#: Seconds between two looks.
LOOK = 0.1


def main() -> None:
    """Reload if HAProxy runs with older files, then wait for SIGTERM.

    Exits with a message where the files are no good; HAProxy then goes on with the old ones.
    """
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    stack = stack_file.load(Path(sys.argv[1]))
    if outdated(stack):
        if wrong := refusal(stack):
            sys.exit(f"Reload refused; HAProxy keeps its current configuration: {wrong}")
        print("HAProxy's files are new: reloading", flush=True)
        reload(stack)
        print("HAProxy has taken them up", flush=True)
    else:
        print("HAProxy has what is there", flush=True)
    signal.sigwait(stop)


def outdated(stack: Stack) -> bool:
    """Whether HAProxy was started before the newest of its files was put in place.

    One that does not answer is just starting, with the new files.
    """
    try:
        worker = Runtime(stack.haproxy_socket).worker()
        began = time.time() - age(worker)
    except OSError:
        return False
    # A worker reads its files before it is forked; a reload too many does no harm.
    return began - 1 <= newest(stack)


def age(pid: int) -> float:
    """Seconds since a process was forked (proc(5), ``starttime``).

    Not HAProxy's ``Uptime_sec``: its clock stands still while a busy machine keeps it from
    running, so a worker would be taken for younger than its files.

    :raises OSError: where there is no such process.
    """
    # After its name, which may hold anything, the 20th word.
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    ticks = int(text.rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def newest(stack: Stack) -> float:
    """When the newest of HAProxy's files was put in place, certificates included; in seconds
    since the epoch.

    By the time of the last change of the file's entry (``st_ctime``): a certificate that is
    moved or copied here may say that it was written long before.
    """
    given = list(stack.balancer_files)
    if stack.certificate:
        given += certificates.files(stack.certificate)
    times = [each.lstat().st_ctime for each in given if os.path.lexists(each)]
    times += [each.stat().st_ctime for each in given if each.exists()]
    return max(times, default=0.0)


def refusal(stack: Stack) -> str:
    """What is wrong with the files; empty where nothing is."""
    certificate = stack.tls.tls_certificate
    if certificate and stack.certificate:
        given = certificate.path or stack.certificate
        try:
            certificates.check(given)
        except certificates.Unusable as why:
            return f"tls-certificate = {given}: expected {why}."
    verdict = program.check_file(stack.balancer.executable, stack.haproxy_conf)
    return "" if verdict.accepted else verdict.said


def reload(stack: Stack) -> None:
    """Start new workers and return once they have taken over.

    Exits with a message where they do not; the old ones then go on serving.
    """
    runtime = Runtime(stack.haproxy_socket)
    before = runtime.worker()
    # Without it, the new worker takes an instance that is draining or down for healthy
    # until its first check.
    files.write(stack.server_state, runtime.command("show servers state"), mode=0o600)
    master = Supervisor(stack.supervisor_socket).processes()["haproxy"].pid
    os.kill(master, signal.SIGUSR2)
    deadline = time.monotonic() + PATIENCE
    while _worker(runtime) in (None, before):
        if time.monotonic() > deadline:
            sys.exit(
                f"HAProxy did not take up {stack.haproxy_conf} within {PATIENCE} s and goes on "
                f"with the old one; {stack.logs}/haproxy.out.log says why."
            )
        time.sleep(LOOK)
    # What was true now is no news to an HAProxy that starts tomorrow.
    files.write(stack.server_state, NO_STATE, mode=0o600)


def _worker(runtime: Runtime) -> int | None:
    try:
        return runtime.worker()
    except OSError:
        return None
