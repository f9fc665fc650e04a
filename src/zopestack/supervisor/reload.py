"""Reload HAProxy when its files have changed, without dropping a connection.

supervisord runs this as ``haproxy-reload``. Its environment holds a digest of HAProxy's files, so
``supervisorctl update`` restarts it when one of them has changed, and only then; after a new
certificate, an operator or certbot's deploy hook restarts it. It checks the files and signals
HAProxy's master process, which starts new workers on the same sockets while the old ones finish
their requests (HAProxy Management Guide, "Stopping and restarting").

Then it becomes ``cat``, which waits on standard input for 0.3 MB of memory until supervisord stops
it or ends. It does not simply end: supervisord reports that a start has failed only where the
process ends before ``startsecs``, and ``supervisorctl status`` exits with 3 while any program has
ended (supervisor 4.3), so every check of the stack would look like a failure.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from zopestack import files, stack_file
from zopestack.features import certificates
from zopestack.haproxy import program
from zopestack.haproxy.program import NO_STATE
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.supervisor import daemon
from zopestack.supervisor.client import ANSWER, IDLE, Supervisor
from zopestack.wait import until

#: Seconds that HAProxy gets to be ready for a reload, and a new worker to take over.
TIMEOUT = 5


def main() -> None:
    """Reload if HAProxy runs with older files, then become ``cat``; ``reload-haproxy STACK_FILE``.

    Exits with a message where HAProxy refuses the files; it keeps its current configuration.
    """
    # A stop waits for the end of a reload.
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    try:
        take_up(stack_file.load(Path(sys.argv[1])))
    except (OSError, daemon.Deaf) as why:
        sys.exit(f"Nothing was reloaded: {why}")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stop)
    os.execvp("cat", ["cat"])


def take_up(stack: Stack) -> None:
    """Reload if HAProxy runs with older files.

    Exits with a message where HAProxy refuses them.

    :raises OSError: if supervisord does not run.
    :raises daemon.Deaf: if it does not answer.
    """
    if not daemon.check(stack.supervisor_socket):
        raise OSError("supervisord does not run.")
    if not running(stack):
        print("HAProxy does not run; it will start with the current files", flush=True)
    elif outdated(stack):
        if wrong := refusal(stack):
            sys.exit(f"Reload refused; HAProxy keeps its current configuration: {wrong}")
        print("HAProxy's files have changed: reloading", flush=True)
        if not stack.haproxy_socket.exists():
            with _socket_elsewhere(stack):
                reload(stack)
        reload(stack)
        print("HAProxy runs with the new files", flush=True)
    else:
        print("HAProxy already runs with the current files", flush=True)


def outdated(stack: Stack) -> bool:
    """Whether HAProxy was started before the newest of its files was put in place.

    One that does not answer has lost its socket, and makes it again in a reload; or it has yet to
    start its worker, with the new files.
    """
    try:
        worker = Runtime(stack.haproxy_socket).worker()
        began = time.time() - age(worker)
    except OSError:
        return bool(workers(master(stack)))
    # A worker reads its files before it is forked; one reload too many does no harm.
    return began - 1 <= newest(stack)


def running(stack: Stack) -> bool:
    """Whether HAProxy runs; waits for one that is just starting, and has yet to open its socket."""

    def state() -> str:
        return Supervisor(stack.supervisor_socket, ANSWER).processes()["haproxy"].state

    until(lambda: _worker(Runtime(stack.haproxy_socket)) or state() != "STARTING", TIMEOUT)
    return state() not in IDLE


def master(stack: Stack) -> int:
    """HAProxy's master process.

    :raises OSError: if supervisord does not answer.
    """
    return Supervisor(stack.supervisor_socket, ANSWER).processes()["haproxy"].pid


def workers(running: int) -> set[int]:
    """The workers of a master process; none of one that is still ``run-haproxy``, which a signal
    would end.
    """
    try:
        process = psutil.Process(running)
        children = process.children()
        return {child.pid for child in children if child.name() == process.name() == "haproxy"}
    except psutil.Error:
        return set()


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal (proc(5), ``SigCgt``).

    HAProxy's master process has none while it is busy with its start or with the last reload, and
    loses the signal then (docs/explanation/measured.rst, "Signals that HAProxy loses").

    :raises OSError: where there is no such process.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) & 1 << (number - 1))


def age(pid: int) -> float:
    """Seconds since a process was forked (proc(5), ``starttime``).

    Not HAProxy's ``Uptime_sec``: that clock stands still while a busy machine keeps HAProxy from
    running, so a worker would seem younger than its files.

    :raises OSError: where there is no such process.
    """
    # The 20th word after the name, which may contain spaces and brackets.
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    ticks = int(text.rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def newest(stack: Stack) -> float:
    """When the newest of HAProxy's files was put in place, the program and certificates included;
    in seconds since the epoch.

    Uses the time of the last change of the inode (``st_ctime``): a certificate that was moved or
    copied here may have been written (``st_mtime``) long before.
    """
    given = [stack.haproxy, stack.balancer.executable, *stack.balancer_files]
    if stack.certificate:
        given += certificates.files(stack.certificate)
    times = [each.lstat().st_ctime for each in given if os.path.lexists(each)]
    times += [each.stat().st_ctime for each in given if each.exists()]
    return max(times, default=0.0)


def refusal(stack: Stack) -> str:
    """Why the files cannot be used; empty where they can."""
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
    """Start a new worker and return once it has taken over.

    Exits with a message where it does not; the old worker then goes on serving.
    """
    runtime = Runtime(stack.haproxy_socket)
    running = master(stack)
    before = {None, *workers(running)}
    # Without its state, an instance that is draining or down counts as healthy until its first
    # check.
    with suppress(OSError):
        state = runtime.command("show servers state")
        files.write(stack.server_state, state, mode=0o600)
    until(lambda: catches(running, signal.SIGUSR2), TIMEOUT)
    os.kill(running, signal.SIGUSR2)
    if not until(lambda: _worker(runtime) not in before, 2 * TIMEOUT):
        sys.exit(
            "Reload failed; HAProxy keeps its current configuration: no worker started with "
            f"{stack.haproxy_conf} within {2 * TIMEOUT} s, see {stack.logs}/haproxy.out.log."
        )
    # The state must not outlive the reload: an HAProxy that starts later would believe it.
    files.write(stack.server_state, NO_STATE, mode=0o600)


@contextmanager
def _socket_elsewhere(stack: Stack) -> Iterator[None]:
    """Spell the path of HAProxy's runtime socket in another way in the block.

    A new worker takes over the sockets of the old one, also one whose file has been deleted, and
    knows them by their paths: under another one it makes the file again.
    """
    path, text = stack.haproxy_socket, stack.haproxy_conf.read_text(encoding="utf-8")
    files.write(stack.haproxy_conf, text.replace(str(path), f"{path.parent}/./{path.name}"))
    try:
        yield
    finally:
        files.write(stack.haproxy_conf, text)


def _worker(runtime: Runtime) -> int | None:
    try:
        return runtime.worker()
    except OSError:
        return None


if __name__ == "__main__":
    main()
