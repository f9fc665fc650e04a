"""A second HAProxy that keeps the addresses open while supervisord restarts the first.

supervisord stops a program before it starts it again, and HAProxy stops only when its last
connection is closed; meanwhile nobody would listen. So another HAProxy takes the first one's
sockets beforehand (HAProxy Management Guide, "Program start", ``-x``), and the new one takes them
from it. It is started by supervisorctl and watched by a process of its own, which outlives
supervisorctl: whoever leaves in the midst of a restart leaves a site that serves.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
import traceback
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException

import psutil

from zopestack.haproxy import log_writer, run
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.orphans import environment
from zopestack.supervisor.reload import refusal
from zopestack.wait import POLL_INTERVAL, until

#: What supervisord calls HAProxy.
HAPROXY = "haproxy"

#: Seconds the second HAProxy gets to listen; it takes as long as a reload.
TIMEOUT = 10

#: What the process that watches it writes once it listens.
READY = b"ready"


class NoStandIn(Exception):
    """HAProxy cannot be replaced; it was left as it is. The message says why."""


@contextmanager
def standing_in(stack: Stack, say: Callable[[str], None]) -> Iterator[None]:
    """Keep HAProxy's addresses open in the block, in which supervisord restarts it.

    :param say: called with a line of progress.
    :raises NoStandIn: before the block, where HAProxy would refuse its files or did not start.
    """
    if _master(stack) is None:
        # There is nobody to take the addresses from.
        yield
        return
    if wrong := refusal(stack):
        raise NoStandIn(f"haproxy was not restarted, since it would not start again: {wrong}")
    command = _begin(stack)
    try:
        say("haproxy: its addresses stay open")
        yield
    finally:
        os.close(command)


def _begin(stack: Stack) -> int:
    """Start the stand-in; return the pipe whose end tells its watcher that the block is over."""
    ready_here, ready_there = os.pipe()
    block_there, block_here = os.pipe()
    child = os.fork()
    if child == 0:
        # Not a child of supervisorctl, and not in its session: neither ends the other.
        os.setsid()
        if os.fork() == 0:
            os.close(block_here)
            _watched(stack, ready_there, block_there)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(ready_there)
    os.close(block_there)
    with os.fdopen(ready_here, "rb") as told:
        if told.read() != READY:
            os.close(block_here)
            raise NoStandIn(
                "haproxy was not restarted: a second one that would keep its addresses open "
                f"did not start, see {stack.logs}/haproxy.out.log"
            )
    return block_here


def _watched(stack: Stack, ready: int, block: int) -> None:
    """Run the stand-in until supervisord's own HAProxy serves; does not return."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open(stack.logs / "haproxy.out.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        os.dup2(log, 1)
        os.dup2(log, 2)
        before = _pid(Supervisor(stack.supervisor_socket))
        haproxy = subprocess.Popen(
            run.command(stack),
            stdin=subprocess.DEVNULL,
            stdout=log_writer.opened(str(stack.access_pipe), os.O_RDWR),
            env={**os.environ, **environment(stack, HAPROXY)},
            start_new_session=True,
        )
        try:
            if until(lambda: _master(stack) == haproxy.pid, TIMEOUT, POLL_INTERVAL / 5):
                os.write(ready, READY)
                os.close(ready)
                _watch(stack, haproxy, before, block)
        finally:
            _end(haproxy, stack.stop_seconds)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _watch(stack: Stack, haproxy: subprocess.Popen[bytes], before: int, block: int) -> None:
    """Return when the stand-in is no longer needed.

    :param before: the process of the HAProxy that is being replaced.
    """
    supervisor = Supervisor(stack.supervisor_socket)
    over = False
    while haproxy.poll() is None:
        try:
            if not over and _closed(block):
                over = True
                _complete(supervisor)
            process = supervisor.processes().get(HAPROXY)
        except (OSError, HTTPException, xmlrpc.client.Error):
            # supervisord ends, and everything with it.
            return
        if over and (process is None or process.state == "STOPPED"):
            return
        if process and process.pid not in (0, before) and _master(stack) == process.pid:
            return
        time.sleep(POLL_INTERVAL)


def _complete(supervisor: Supervisor) -> None:
    """Start HAProxy where the command that was to do so has been interrupted."""
    process = supervisor.processes().get(HAPROXY)
    with suppress(xmlrpc.client.Fault):
        if process is None:
            supervisor.rpc.addProcessGroup(HAPROXY)
        elif process.state in ("STOPPING", "STOPPED"):
            # A stop that was not waited for.
            until(lambda: _state(supervisor) != "STOPPING", float("inf"))
            supervisor.start(HAPROXY)


def _end(haproxy: subprocess.Popen[bytes], patience: float) -> None:
    """Have it finish what it serves.

    :param patience: seconds after which it is killed.
    """
    for number, seconds in ((signal.SIGUSR1, patience), (signal.SIGKILL, None)):
        # To the worker as well: the master process may lose it
        # (docs/explanation/measured.rst, "Signals that HAProxy loses").
        with suppress(ProcessLookupError):
            os.killpg(haproxy.pid, number)
        with suppress(subprocess.TimeoutExpired):
            haproxy.wait(seconds)
            return


def _master(stack: Stack) -> int | None:
    """The master process of an HAProxy that answers; of two, now the one and now the other."""
    try:
        return psutil.Process(Runtime(stack.haproxy_socket).worker()).ppid()
    except (OSError, psutil.Error):
        return None


def _pid(supervisor: Supervisor) -> int:
    process = supervisor.processes().get(HAPROXY)
    return process.pid if process else 0


def _state(supervisor: Supervisor) -> str:
    process = supervisor.processes().get(HAPROXY)
    return process.state if process else ""


def _closed(pipe: int) -> bool:
    return bool(select.select([pipe], [], [], 0)[0])
