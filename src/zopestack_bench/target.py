"""A layout that is running: where it takes requests, and which processes it has."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zopestack.features.address import Address
from zopestack.features.instances import Instance
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.render.files import balancer
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.readiness import listens
from zopestack_bench import Broken, proc
from zopestack_bench.farm import Farm
from zopestack_bench.probe import TooLate, until

#: Processes that use less than this share of a core over so many seconds are idle.
SETTLED_SHARE = 0.1
SETTLED_SECONDS = 0.5

#: Seconds for a server to end.
PATIENCE = 60

#: supervisord's states of a program that starts or runs, and of one that does not.
STARTS = ("STARTING", "RUNNING")
STOPPED = ("STOPPED", "EXITED", "FATAL")


@dataclass(frozen=True)
class Target:
    """A layout that is running.

    :param roots: ids of its first processes by role: ``zope``, ``balancer``, ``zeo``.
    :param instances: the instances of the farm that it uses.
    :param runtime: HAProxy's runtime API, where HAProxy balances.
    :param helpers: supervisord and what it runs beside instances, ZEO and HAProxy, such as the
        writer of the access log. They are counted without their descendants: those of
        supervisord are every process of the farm.
    :param crowd: processes of slow clients: neither cost of the layout nor another user's.
    :param client: the address that requests come from; empty for 127.0.0.1, which the generated
        HAProxy limits less than others.
    """

    address: Address
    roots: Mapping[str, tuple[int, ...]]
    instances: tuple[Instance, ...] = ()
    runtime: Runtime | None = None
    helpers: tuple[int, ...] = ()
    crowd: tuple[int, ...] = ()
    client: str = ""

    @property
    def processes(self) -> dict[str, tuple[int, ...]]:
        """All its processes now by role, with their descendants."""
        found = {
            role: tuple(pid for root in roots for pid in proc.family(root))
            for role, roots in self.roots.items()
        }
        return {**found, "helpers": self.helpers} if self.helpers else found

    def settle(self, seconds: float = SETTLED_SECONDS) -> None:
        """Return when the processes are idle: loaded, with no request in progress.

        :param seconds: of one observation of them.
        """

        def idle() -> bool:
            pids = [pid for pids in self.processes.values() for pid in pids]
            before = proc.usage(pids).cpu
            time.sleep(seconds)
            return proc.usage(pids).cpu - before < SETTLED_SHARE * seconds

        until("the layout to be idle", idle)


@contextmanager
def supervised(farm: Farm, stack: Stack) -> Iterator[Target]:
    """The farm's own program ``haproxy``, configured for a Stack.

    :raises Broken: where HAProxy does not start; with the last lines of its log.
    """
    for path, text in balancer(stack).items():
        path.write_text(text, encoding="utf-8")
    supervisor = Supervisor(stack.supervisor_socket)
    address, runtime = stack.balancer.local_address, Runtime(stack.haproxy_socket)

    def state() -> str:
        return supervisor.processes()["haproxy"].state

    def listening() -> bool:
        # HAProxy listens on its unix socket a moment after it does on its addresses.
        return listens(address) and bool(runtime.command("show info"))

    # Do not wait for startsecs: it listens long before.
    supervisor.rpc.startProcess("haproxy", False)
    try:
        until("HAProxy to listen", lambda: listening() or state() not in STARTS)
        if state() not in STARTS:
            log = stack.logs / "haproxy.out.log"
            raise Broken(f"HAProxy does not start with {stack.haproxy_conf}:\n{_tail(log)}")
        pid = farm.pid("haproxy")
        yield Target(
            address,
            {**roots(farm, stack.instances), "balancer": (pid,)},
            stack.instances,
            runtime,
            _helpers(farm, supervisor),
        )
    finally:
        if state() not in STOPPED:
            supervisor.rpc.stopProcess("haproxy", False)
        until("HAProxy to stop", state, lambda found: found in STOPPED)


@contextmanager
def running(
    command: list[str], log: Path, address: Address, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A process that listens on the address; its id.

    :raises Broken: where it ends, or does not listen; with the last lines of its log.
    """
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        until(command[0], lambda: process.poll() is not None or listens(address))
        if process.poll() is not None:
            raise Broken(f"{' '.join(command)} ended with {process.returncode}:\n{_tail(log)}")
        yield process.pid
    except TooLate:
        raise Broken(f"{' '.join(command)} does not listen on {address}:\n{_tail(log)}") from None
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def roots(farm: Farm, instances: tuple[Instance, ...]) -> dict[str, tuple[int, ...]]:
    """The processes of these instances and of ZEO."""
    return {"zope": tuple(farm.pid(x.name) for x in instances), "zeo": (farm.pid("zeo"),)}


def _helpers(farm: Farm, supervisor: Supervisor) -> tuple[int, ...]:
    counted = {"haproxy", "zeo", *(instance.name for instance in farm.stack.instances)}
    programs = {each.pid for name, each in supervisor.processes().items() if name in counted}
    served = {pid for program in programs if program for pid in proc.family(program)}
    return tuple(pid for pid in proc.family(supervisor.pid()) if pid not in served)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
