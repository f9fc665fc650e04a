"""Wait until a whole stack serves requests, and report what prevents it."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from zopestack.features.address import Address
from zopestack.features.instances import LANES
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.probe import probe
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.health import ask
from zopestack.wait import POLL_INTERVAL

#: Number of log lines shown for a process that does not start.
LOG_LINES = 20

#: supervisord's state of a program that it no longer tries to start.
GIVEN_UP = "FATAL"


class NotReady(Exception):
    """The stack does not serve; the message says which part does not, and why."""


def wait_ready(stack: Stack, timeout: float, say: Callable[[str], None]) -> None:
    """Return once every instance answers and HAProxy sends requests to all of them.

    :param timeout: seconds.
    :param say: called with a line of progress whenever another part is ready.
    :raises NotReady: after the timeout, or as soon as supervisord has given up on a program.
    """
    began = time.monotonic()
    ready: set[str] = set()
    said = began
    while True:
        missing = _missing(stack, ready)
        now = time.monotonic()
        for name in stack.programs:
            if name not in missing and name not in ready:
                ready.add(name)
                say(f"{name} is ready ({now - began:.1f} s)")
                said = now
        if not missing:
            return
        given_up = [name for name, why in missing.items() if why == GIVEN_UP]
        if given_up or now - began > timeout:
            raise NotReady(_report(stack, missing, given_up or list(missing), timeout))
        if now - said > 2:
            say(f"waiting for {', '.join(missing)} ({now - began:.0f} s)")
            said = now
        time.sleep(POLL_INTERVAL)


def _missing(stack: Stack, ready: set[str]) -> dict[str, str]:
    """Return the programs that do not serve yet, each with the reason.

    :param ready: programs that have served before.
    """
    try:
        processes = Supervisor(stack.supervisor_socket).processes()
    except OSError:
        return dict.fromkeys(stack.programs, "supervisord does not answer")
    missing = {}
    for name in stack.programs:
        state = processes[name].state if name in processes else "unknown to supervisord"
        if state not in ("RUNNING", "STARTING"):
            missing[name] = state
    # Skip this once zeo is ready, because ZEO logs every connection.
    if "zeo" not in missing and "zeo" not in ready and not listens(stack.storage.zeo_address):
        missing["zeo"] = f"does not listen on {stack.storage.zeo_address}"
    for instance in stack.instances:
        if instance.name not in missing:
            report = ask(instance)
            if report is None:
                missing[instance.name] = f"its agent does not answer on {instance.agent}"
            elif not report.healthy:
                missing[instance.name] = report.why
    if "haproxy" not in missing and (why := _unbalanced(stack, missing)):
        missing["haproxy"] = why
    return missing


def _unbalanced(stack: Stack, missing: dict[str, str]) -> str:
    try:
        servers = Runtime(stack.haproxy_socket).servers(*LANES)
    except OSError:
        return "does not answer on its socket"
    names = {instance.name for instance in stack.instances}
    if set(servers) != names:
        return "has not loaded the new haproxy.cfg yet"
    down = [
        instance.name
        for instance in stack.instances
        if instance.name not in missing and not servers[instance.name].up
    ]
    if missing.keys() & names or down:
        return f"does not send requests to {', '.join(down) or 'an instance that is not ready'} yet"
    silent = [each for each in stack.balancer.http_address if not _answers(each.reachable)]
    return f"does not answer on {silent[0]}" if silent else ""


def _answers(address: Address) -> bool:
    try:
        return probe(address, "/", "HEAD", timeout=10).status < 500
    except OSError:
        return False


def listens(address: Address) -> bool:
    """Return whether a server accepts connections at an address."""
    try:
        socket.create_connection((address.host, address.port), timeout=1).close()
    except OSError:
        return False
    return True


def _report(stack: Stack, missing: dict[str, str], names: list[str], timeout: float) -> str:
    lines = [f"The stack did not come up within {timeout:.0f} s."]
    for name in names:
        why = missing[name]
        log = stack.logs / f"{name}.out.log"
        lines.append(f"\n{name}: {'supervisord gave up starting it' if why == GIVEN_UP else why}")
        lines.append(f"the last lines of {log}:")
        lines += [f"  {line}" for line in _tail(log)]
    return "\n".join(lines)


def _tail(log: Path) -> list[str]:
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            return [line.rstrip() for line in deque(file, LOG_LINES)] or ["(empty)"]
    except OSError as why:
        return [f"({why})"]
