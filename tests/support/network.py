"""Hosts that are network namespaces: real addresses, names and process ids, on one machine.

    with Network(directory, {"lb1": "10.9.0.1"}, environment) as network:
        network.hosts["lb1"].run("hostname")
        with network.outside():
            fetch(Address("10.9.0.1", 8080), "/")

Each host sees its own directory of files under one path, as hosts with the same buildout have it.
Nothing of it is in the network of the machine, and all of it ends with its processes.
"""

from __future__ import annotations

import ctypes
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.support.polling import PATIENCE, until
from tests.support.started import Started
from zopestack.supervisor.client import Process, Supervisor
from zopestack_bench.deployment import Buildout

#: Where visitors are, who are no hosts of the stack.
OUTSIDE = "10.9.0.254"

#: Where every host has its own directory. Nobody but root may write beside it, as where keepalived
#: runs a program for root.
SITE = Path("/run/site")

#: The switch's own. A bridge without one takes the lowest of what is plugged in, and another when
#: that changes. Until the hosts have learned it, their answers to visitors go nowhere.
SWITCH = "02:00:00:00:00:01"

#: What setns(2) takes for a network namespace.
CLONE_NEWNET = 0x40000000

#: The first process of a host. The system buries its children, as init does.
INIT = """\
import pathlib, signal, socket, subprocess, sys
name, own, seen = sys.argv[1:]
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
socket.sethostname(name)
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
pathlib.Path(seen).mkdir()
subprocess.run(["mount", "--bind", own, seen], check=True)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
pathlib.Path(own, "up").touch()
while True:
    signal.pause()
"""


def available() -> bool:
    """Whether this machine lets us make namespaces."""
    tried = ("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "ip", "link")
    try:
        return not subprocess.run(tried, capture_output=True, check=False).returncode
    except OSError:
        return False


class Machine(Buildout):
    """One host.

    :ivar directory: its files, as the tests see them.
    :ivar site: the same as it sees them itself.
    """

    patience = PATIENCE

    def __init__(
        self, name: str, address: str, directory: Path, environment: Mapping[str, str]
    ) -> None:
        self.name, self.address = name, address
        self.directory, self.site = directory / name, SITE
        self.environment = environment
        self.directory.mkdir()
        self._unshare = subprocess.Popen(
            [
                *("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc"),
                *("--kill-child", sys.executable, "-c", INIT, name, self.directory, self.site),
            ],
            env=environment,
        )
        until(f"{name} to be up", (self.directory / "up").exists)
        (self.init,) = psutil.Process(self._unshare.pid).children()

    def inside(self, *command: str | Path) -> tuple[str | Path, ...]:
        """A command as the tests type it, to run on this host in its directory."""
        enter = ("nsenter", f"--target={self.init.pid}", "--net", "--mount", "--uts", "--pid")
        return (*enter, "sh", "-c", 'cd "$0" && exec "$@"', self.site, *command)

    def run(
        self, *command: str | Path, check: bool = True, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this host."""
        return super().run(*self.inside(*command), check=check, timeout=timeout)

    def supervised(self) -> dict[str, Process]:
        """supervisord's view of each program by name."""
        return Supervisor(self.directory / "var/supervisor.sock").processes()

    def pids(self) -> dict[str, int]:
        """The process of each program, by its id on this host."""
        return {name: each.pid for name, each in self.supervised().items()}

    def power_off(self) -> None:
        """End every process at once."""
        # Its child, the first process of the host, goes with it, and all others with that.
        self._unshare.kill()
        self._unshare.wait()
        until(f"{self.name} to be off", self._off)

    def _off(self) -> bool:
        try:
            # Who buries it may take a while.
            return self.init.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


class Network:
    """Hosts on one switch.

    :param addresses: of the hosts, by name.
    :param environment: of every process.
    """

    def __init__(
        self, directory: Path, addresses: Mapping[str, str], environment: Mapping[str, str]
    ) -> None:
        self.switch = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], env=environment)
        own, there = (Path(f"/proc/{each}/ns/net") for each in ("self", self.switch.pid))
        until("a switch", lambda: there.readlink() != own.readlink())
        self._ip("link", "add", "switch", "address", SWITCH, "type", "bridge")
        self._ip("addr", "add", f"{OUTSIDE}/24", "dev", "switch")
        self._ip("link", "set", "switch", "up")
        self.hosts = {
            name: Machine(name, address, directory, environment)
            for name, address in addresses.items()
        }
        for host in self.hosts.values():
            pid = str(host.init.pid)
            self._ip("link", "add", host.name, "type", "veth", "peer", "eth0", "netns", pid)
            self._ip("link", "set", host.name, "master", "switch", "up")
            host.run("ip", "addr", "add", f"{host.address}/24", "dev", "eth0")
            host.run("ip", "link", "set", "eth0", "up")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        for host in self.hosts.values():
            host.power_off()
        self.switch.kill()
        self.switch.wait()

    def plug(self, host: Machine, state: str) -> None:
        """Have a host's cable ``up`` or ``down``."""
        self._ip("link", "set", host.name, state)

    @contextmanager
    def slow(self, host: Machine, seconds: float) -> Iterator[None]:
        """Have every frame from and to a host take so many seconds longer meanwhile."""
        self._ip("link", "add", "far", "type", "veth", "peer", "near")
        for each in ("far", "near"):
            self._ip("link", "set", each, "up")
        command = [sys.executable, "-m", "tests.support.slow_link", str(seconds), host.name, "near"]
        enter = ("nsenter", f"--target={self.switch.pid}", "--net")
        with Started([*enter, *command], stdout=subprocess.PIPE, text=True) as cable:
            assert cable.stdout
            assert cable.stdout.readline() == "ready\n"
            self._ip("link", "set", host.name, "nomaster")
            self._ip("link", "set", "far", "master", "switch")
            try:
                yield
            finally:
                cable.kill()
                self._ip("link", "del", "far")
                self._ip("link", "set", host.name, "master", "switch")

    def keeps_open(self, host: Machine | None, where: tuple[str, int]) -> bool:
        """Whether a connection on which nothing is said is kept open, and not closed at once.

        :param host: from where; None for the switch.
        """
        with self._entered((host.init if host else self.switch).pid):
            try:
                with socket.create_connection(where, timeout=60) as connection:
                    ended = select.select([connection], [], [], 1)[0]
                    return not ended or bool(connection.recv(1))
            except ConnectionResetError:
                return False

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Have this thread, and those that it starts, connect from the switch."""
        with self._entered(self.switch.pid):
            yield

    @contextmanager
    def at(self, host: Machine) -> Iterator[None]:
        """Have this thread, and what it starts, use a host's network."""
        with self._entered(host.init.pid):
            yield

    @contextmanager
    def _entered(self, pid: int) -> Iterator[None]:
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as before:
            with open(f"/proc/{pid}/ns/net") as there:
                _enter(libc, there.fileno())
            try:
                yield
            finally:
                _enter(libc, before.fileno())

    def _ip(self, *words: str) -> None:
        enter = ("nsenter", f"--target={self.switch.pid}", "--net")
        subprocess.run([*enter, "ip", *words], check=True)


def _enter(libc: ctypes.CDLL, namespace: int) -> None:
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
