"""Start what stands in front of the farm's instances, and stop it again."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from zopestack.address import Address
from zopestack.model import Instance, Stack
from zopestack.runtime import Runtime
from zopestack.supervision import Supervisor
from zopestack.waiting import listens
from zopestack_bench import polling, proc
from zopestack_bench.farm import Broken, Farm
from zopestack_bench.target import Target

#: supervisord's words for a program that is on its way or there, and for one that is not.
STARTS = ("STARTING", "RUNNING")
STOPPED = ("STOPPED", "EXITED", "FATAL")

#: File descriptors.
STDOUT, STDERR = 1, 2

#: Seconds a balancer or a server of its own kind gets to listen, and to end.
PATIENCE = 60


@contextmanager
def supervised(farm: Farm, stack: Stack, given: Mapping[Path, str]) -> Iterator[Target]:
    """The farm's own program ``haproxy`` with this configuration.

    :param given: HAProxy's files.
    :raises Broken: where HAProxy does not listen; with the last lines of its log.
    """
    for path, text in given.items():
        path.write_text(text, encoding="utf-8")
    supervisor = Supervisor(stack.supervisor_socket)
    address = stack.balancer.http

    def state() -> str:
        return supervisor.processes()["haproxy"].state

    # Without waiting for startsecs: it listens long before.
    supervisor.rpc.startProcess("haproxy", False)
    try:
        polling.until(lambda: listens(address) or state() not in STARTS, PATIENCE)
        if state() not in STARTS:
            log = stack.logs / "haproxy.out.log"
            raise Broken(f"HAProxy does not start with {stack.haproxy_conf}:\n{_tail(log)}")
        pid = farm.pid("haproxy")
        yield Target(
            address,
            {**roots(farm, stack.instances), "balancer": (pid,)},
            stack.instances,
            Runtime(stack.haproxy_socket),
            tuple({*proc.readers(pid, STDOUT), *proc.readers(pid, STDERR)}),
        )
    finally:
        if state() not in STOPPED:
            supervisor.rpc.stopProcess("haproxy", False)
        polling.until(lambda: state() in STOPPED, PATIENCE)


@contextmanager
def haproxy(farm: Farm, stack: Stack, text: str) -> Iterator[Target]:
    """HAProxy with this configuration in front of the Stack's instances, on its own."""
    stack.var.mkdir(parents=True, exist_ok=True)
    conf = stack.var / "haproxy.cfg"
    conf.write_text(text, encoding="utf-8")
    command = [str(stack.balancer.executable), "-W", "-db", "-f", str(conf)]
    address = stack.balancer.http
    with running(command, stack.var / "haproxy.log", address) as pid:
        yield Target(
            address,
            {**roots(farm, stack.instances), "balancer": (pid,)},
            stack.instances,
            Runtime(stack.haproxy_socket),
        )


@contextmanager
def running(
    command: list[str],
    log: Path,
    address: Address,
    environment: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[int]:
    """A process that listens on the address; its id.

    :raises Broken: where it ends, or does not listen; with the last lines of its log.
    """
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        polling.until(lambda: process.poll() is not None or listens(address), PATIENCE)
        if process.poll() is not None:
            raise Broken(f"{' '.join(command)} ended with {process.returncode}:\n{_tail(log)}")
        yield process.pid
    except polling.TooLate:
        raise Broken(f"{' '.join(command)} does not listen on {address}:\n{_tail(log)}") from None
    finally:
        process.send_signal(stop)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def roots(farm: Farm, instances: tuple[Instance, ...]) -> dict[str, tuple[int, ...]]:
    """The processes of these instances and of ZEO."""
    return {"zope": tuple(farm.pid(x.name) for x in instances), "zeo": (farm.pid("zeo"),)}


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
