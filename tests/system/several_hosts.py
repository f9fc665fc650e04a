"""One stack on six hosts: two balancers, three hosts with instances, and one with PostgreSQL.

with running() as found:
    with crowds(found, "lb1", "lb2", page=PAGE, patience=90) as every:
        found.plug(found.hosts["app2"], "down")
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import count

from tests.support import ledger, secure_shell
from tests.support.deployment import Deployment
from tests.support.harness import CHECKOUT, COMMANDS
from tests.support.network import Machine, Network
from tests.support.polling import until
from tests.support.postgres import Postgres
from tests.system import storages
from tests.system.chaos.run import compare
from tests.system.chaos.visitors import Crowd
from zopestack.features.address import Address
from zopestack.haproxy.runtime import Runtime
from zopestack.probe import probe

HOSTS = {
    "lb1": ("10.9.0.1", "balancer"),
    "lb2": ("10.9.0.2", "balancer"),
    "app1": ("10.9.0.11", "instances=2"),
    "app2": ("10.9.0.12", "instances=1"),
    "app3": ("10.9.0.13", "instances=1"),
    "db": ("10.9.0.21", "storage"),
}

SERVERS = {"app1.instance1", "app1.instance2", "app2.instance1", "app3.instance1"}

BALANCERS = ("lb1", "lb2")

VIRTUAL = "10.9.0.100"

LINES = "\n".join(f"    {name} {' '.join(words)}" for name, words in HOSTS.items())

#: A request waits for as long as a busy machine may take to bring an instance back.
BUILDOUT = f"""\
[buildout]
extends = {CHECKOUT / "versions.cfg"}
parts = stack

[stack]
recipe = zopestack
http-address = *:8080
requests-per-address = off
timeout-queue = 2m
virtual-address = {VIRTUAL}
storage = relstorage
hosts =
{LINES}
{storages.POSTGRES.format(host=HOSTS["db"][0])}"""

#: Connections that are kept busy, of each crowd.
VISITORS = 3

#: Pages that take a thread: for figures, and in the tests, which have little to compute with.
PAGE, TESTED = "/ledger/slow?seconds=0.02", "/ledger/slow?seconds=0.1"

#: Visitors of all crowds together.
BOOKS = 20 * VISITORS

#: Where keepalived says which process it is, on its host.
KEEPER = "/run/keepalived.pid"

#: Of the first visitor of each crowd.
NUMBERS = count(0, VISITORS)


class Remote(Postgres):
    """On the network of its host."""

    listens, clients = HOSTS["db"][0], "10.9.0.0/24"

    def __init__(self, found: Network) -> None:
        self.found = found
        super().__init__()

    def start(self) -> None:
        with self.found.at(self.found.hosts["db"]):
            super().start()


class Running(Network):
    """All hosts.

    :ivar database: the server, once it runs.
    """

    database: Remote


@contextmanager
def running() -> Iterator[Running]:
    """All of them, which serve."""
    with Deployment() as where, ExitStack() as stack:
        addresses = {name: address for name, (address, _) in HOSTS.items()}
        # An ssh of the test's own comes first.
        path = f"{where.directory}/ssh:{os.environ['PATH']}"
        environment = {**where.environment, "PATH": path}
        found = stack.enter_context(Running(where.directory, addresses, environment))
        found.database = Remote(found)
        stack.callback(found.database.stop)
        found.database.create("main")
        machines = list(found.hosts.values())
        for machine in machines:
            machine.write(BUILDOUT)
        with ThreadPoolExecutor(len(machines)) as pool:
            list(pool.map(provision, machines))
        secure_shell.start(machines, where.directory)
        # The first one sets up the database.
        for name in ("lb1", "app1"):
            found.hosts[name].run("bin/supervisord")
        until("the first instance", lambda: "app1.instance1" in up(found, "lb1"))
        for name in ("app2", "app3", "db", "lb2"):
            found.hosts[name].run("bin/supervisord")
        until_up(found)
        for name in BALANCERS:
            keepalived(found, name)
        ledger.create(found.hosts["app1"], BOOKS)  # type: ignore[arg-type]
        yield found


def provision(machine: Machine, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run buildout."""
    return machine.run(COMMANDS / "buildout", "-U", check=check)


def keepalived(found: Network, name: str) -> None:
    """Start it as a system does."""
    host = found.hosts[name]
    given = ("keepalived", "--use-file", host.stack.keepalived_conf, "--pid", KEEPER)
    host.run(*given, "--vrrp", "--log-console")


def up(found: Network, balancer: str) -> set[str]:
    """The instances that a balancer sends requests to."""
    with suppress(OSError):
        servers = runtime(found.hosts[balancer]).servers()
        return {name for name, server in servers.items() if server.up}
    return set()


def until_up(found: Network, servers: set[str] = SERVERS) -> None:
    """Wait until both balancers send requests to these, and to no others."""
    until("both to notice", lambda: [up(found, each) for each in BALANCERS] == 2 * [servers])


def runtime(machine: Machine) -> Runtime:
    """HAProxy of a host."""
    return Runtime(machine.directory / "var/haproxy.sock")


def site(name: str) -> Address:
    """Where visitors find it on a balancer, or at the virtual address."""
    return Address(HOSTS[name][0] if name in HOSTS else name, 8080)


def holders(found: Network) -> list[str]:
    """The balancers that have the virtual address."""
    having = (found.hosts[name].run("ip", "-brief", "addr", "show", "eth0") for name in BALANCERS)
    return [name for name, done in zip(BALANCERS, having, strict=True) if VIRTUAL in done.stdout]


def answers() -> bool:
    """Whether the site answers at the virtual address, without a wait."""
    with suppress(OSError):
        return probe(Address(VIRTUAL, 8080), PAGE, timeout=2).status == 200
    return False


@contextmanager
def crowds(found: Network, *names: str, page: str, patience: float) -> Iterator[list[Crowd]]:
    """New visitors of each balancer or address, who write and read as fast as they are answered.

    :param page: what they read.
    :param patience: seconds that they wait for an answer.
    """
    with found.outside(), ExitStack() as stack:
        every = [
            stack.enter_context(Crowd(site(name), VISITORS, page, next(NUMBERS), patience))
            for name in names
        ]
        until_written(every)
        failures(every)
        yield every


def until_written(every: Iterable[Crowd]) -> None:
    """Wait until each has some more records acknowledged."""
    for crowd in every:
        crowd.until_written()


def failures(every: Iterable[Crowd]) -> Counter[str]:
    """What went wrong since the last look."""
    return sum((crowd.take().failures for crowd in every), Counter())


def wrong(found: Network, every: Iterable[Crowd]) -> tuple[int, list[str]]:
    """How many records were acknowledged, and those that are not in the database, or twice."""
    promised: dict[str, set[int]] = {str(number): set() for number in range(BOOKS)}
    for crowd in every:
        promised |= crowd.acknowledged
    return compare(found.hosts["app1"], promised)  # type: ignore[arg-type]
