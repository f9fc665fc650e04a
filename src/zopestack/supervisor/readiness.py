"""Wait until a whole stack serves requests, and report what prevents it."""

from __future__ import annotations

import socket
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from zopestack.features.address import Address
from zopestack.features.instances import Instance
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.probe import probe
from zopestack.render.own_programs import own_programs
from zopestack.supervisor import group, ports, seen
from zopestack.supervisor.client import ANSWER, Process, Supervisor
from zopestack.supervisor.health import DRAINING, ask
from zopestack.supervisor.wanted import ended
from zopestack.wait import POLL_INTERVAL

#: Number of log lines shown for a process that does not start.
LOG_LINES = 20

#: supervisord's state of a program that it no longer tries to start.
GIVEN_UP = "FATAL"

#: How the reason of one begins that has ended and is not started again.
ENDED = "has ended with exit status"

#: Processes of a program that have ended at once, after which it counts as given up here, although
#: supervisord goes on trying.
TRIES = 4


class NotReady(Exception):
    """The stack does not serve; the message says which part does not, and why."""


def wait_ready(stack: Stack, timeout: float, say: Callable[[str], None]) -> None:
    """Return once every instance answers, HAProxy sends requests to all of them, and the user's own
    programs have started.

    :param timeout: seconds.
    :param say: called with a line of progress whenever another part is ready.
    :raises NotReady: after the timeout, or as soon as supervisord has given up on a program.
    """
    began = time.monotonic()
    ready: set[str] = set()
    tried: dict[str, set[int]] = defaultdict(set)
    expected = [*_own(stack), *stack.programs]
    said = began
    while True:
        missing = _missing(stack, ready, tried)
        now = time.monotonic()
        for name in expected:
            if name not in missing and name not in ready:
                ready.add(name)
                say(f"{name} is ready ({now - began:.1f} s)")
                said = now
        if not missing:
            return
        given_up = [
            name
            for name, why in missing.items()
            if why == GIVEN_UP or why.startswith(ENDED) or len(tried[name]) > TRIES
        ]
        if given_up or now - began > timeout:
            raise NotReady(_report(stack, missing, given_up or list(missing), timeout))
        if now - said > 2:
            say(f"waiting for {', '.join(missing)} ({now - began:.0f} s)")
            said = now
        time.sleep(POLL_INTERVAL)


def missing(stack: Stack) -> dict[str, str]:
    """Return the programs that do not serve now, each with the reason."""
    return _missing(stack, set(), defaultdict(set))


def _missing(stack: Stack, ready: set[str], tried: Mapping[str, set[int]]) -> dict[str, str]:
    """Return the programs that do not serve yet, each with the reason.

    Only a process that this supervisord has started counts: another one may answer in its place.

    :param ready: programs that have served before.
    :param tried: the processes of each program that have been seen while it starts.
    """
    try:
        processes = Supervisor(stack.supervisor_socket, ANSWER).processes()
    except OSError:
        return dict.fromkeys([*_own(stack), *stack.programs], "supervisord does not answer")
    missing = _missing_own(stack, processes)
    for name, process in processes.items():
        if process.state == "STARTING":
            tried[name].add(process.pid)
        elif process.state == "RUNNING":
            tried[name].clear()
    for name in stack.programs:
        state = processes[name].state if name in processes else "unknown to supervisord"
        if state not in ("RUNNING", "STARTING"):
            missing[name] = state
    # Skip this once zeo is ready, because ZEO logs every connection.
    asked = stack.storage.serves and not {"zeo"} & (missing.keys() | ready)
    if asked and (why := _deaf_zeo(stack, processes["zeo"])):
        missing["zeo"] = why
    for instance in (each for each in stack.instances if each.autostart):
        if instance.name not in missing and (
            why := _unhealthy(stack, instance, processes[instance.name])
        ):
            missing[instance.name] = why
    balances = stack.balances and "haproxy" not in missing
    if balances and (why := _unbalanced(stack, missing, processes["haproxy"])):
        missing["haproxy"] = why
    return missing


def _own(stack: Stack) -> list[str]:
    """The user's own programs that start with the stack."""
    return [each.namespec for each in own_programs(stack, {}) if each.autostart]


def _missing_own(stack: Stack, processes: Mapping[str, Process]) -> dict[str, str]:
    """Return those that have not started, each with the reason; nobody knows more of them."""
    missing = {}
    done = ended(stack, processes)
    for name in _own(stack):
        process = processes.get(name)
        if process is None:
            missing[name] = "unknown to supervisord"
        elif process.state == "EXITED" and name not in done:
            missing[name] = f"{ENDED} {process.exitstatus}"
        elif process.state != "RUNNING" and name not in done:
            missing[name] = process.state
    return missing


def _deaf_zeo(stack: Stack, process: Process) -> str:
    address = stack.storage.zeo_address
    if not listens(address):
        return f"does not listen on {address}"
    own = {each.port for each in ports.held_by(process.pid)}
    return "" if address.port in own else f"another process listens on {address}"


def _unhealthy(stack: Stack, instance: Instance, process: Process) -> str:
    report = ask(instance)
    if report is None:
        return f"its agent does not answer on {instance.agent}"
    if report.pid not in group.members(process.pid):
        return f"another process, {report.pid}, answers on {instance.agent}"
    # Drained by hand, and so it stays.
    drained = report.status == DRAINING and stack.drained(instance).exists()
    return "" if report.healthy or drained else report.why


def _unbalanced(stack: Stack, missing: dict[str, str], process: Process) -> str:
    try:
        runtime = Runtime(stack.haproxy_socket)
        servers, worker = runtime.servers(), runtime.worker()
        if process.pid not in {each.pid for each in psutil.Process(worker).parents()}:
            return f"another process, {worker}, answers on its socket"
    except (OSError, psutil.NoSuchProcess):
        return "does not answer on its socket"
    lanes = {instance.server: instance.lane for instance in stack.balanced}
    if {name: server.lane for name, server in servers.items()} != lanes:
        return "has not loaded the new haproxy.cfg yet"
    down = [
        instance.name
        for instance in stack.balanced_here
        if instance.name not in missing
        and not (servers[instance.server].up and _known(stack, instance))
        and not stack.drained(instance).exists()
    ]
    if missing.keys() & {each.name for each in stack.balanced_here} or down:
        return f"does not send requests to {', '.join(down) or 'an instance that is not ready'} yet"
    path = stack.volto.path_of_plone
    # The instances may all be on other machines, and not there yet.
    worst = 599 if stack.elsewhere else 499
    addresses = stack.balancer.http_address
    silent = [each for each in addresses if not _answers(each.reachable, path, worst)]
    return f"does not answer on {silent[0]}" if silent else ""


def _known(stack: Stack, instance: Instance) -> bool:
    """Whether Varnish, too, knows that an instance serves, where it gives it requests."""
    return not stack.varnish.gives or seen.server(instance).up


def _answers(address: Address, path: str, worst: int) -> bool:
    """Whether an answer comes, with at most the status ``worst``."""
    try:
        return probe(address, path, "HEAD", timeout=10).status <= worst
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
        lines.append(f"\n{name}: {_given_up(stack, name) or missing[name]}")
        for log in _logs(stack, name):
            lines.append(f"the last lines of {log}:")
            lines += [f"  {line}" for line in _tail(log)]
    return "\n".join(lines)


def _given_up(stack: Stack, name: str) -> str:
    """That supervisord has given up a program, and why if it knows, such as a missing command."""
    with suppress(OSError, KeyError):
        process = Supervisor(stack.supervisor_socket, ANSWER).processes()[name]
        if process.state == GIVEN_UP:
            return f"supervisord gave up starting it ({process.description})"
    return ""


def _logs(stack: Stack, name: str) -> list[Path]:
    """Where a program's last words may be."""
    own = {each.namespec: each.further for each in own_programs(stack, {})}
    if name in own:
        found = (own[name].get(f"{stream}_logfile", "") for stream in ("stdout", "stderr"))
        return [Path(each) for each in found if each.startswith("/")]
    return [stack.logs / f"{name}.out.log"]


def _tail(log: Path) -> list[str]:
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            return [line.rstrip() for line in deque(file, LOG_LINES)] or ["(empty)"]
    except OSError as why:
        return [f"({why})"]
