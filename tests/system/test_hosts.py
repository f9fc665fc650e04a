"""One stack on five hosts: two balancers, two hosts with instances, and one with ZEO."""

from __future__ import annotations

import os
import re
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import count

import pytest

from tests.support import ledger, network, secure_shell
from tests.support.deployment import Deployment
from tests.support.fetch import fetch
from tests.support.harness import CHECKOUT, COMMANDS
from tests.support.network import Machine, Network
from tests.support.polling import until
from tests.system.chaos.run import compare
from tests.system.chaos.visitors import Crowd
from zopestack.features.address import Address
from zopestack.haproxy.runtime import Runtime
from zopestack.probe import probe

pytestmark = pytest.mark.skipif(
    not network.available(), reason="makes network namespaces, which needs root"
)

HOSTS = {
    "lb1": ("10.9.0.1", "balancer"),
    "lb2": ("10.9.0.2", "balancer"),
    "app1": ("10.9.0.11", "instances=2"),
    "app2": ("10.9.0.12", "instances=1"),
    "db": ("10.9.0.21", "storage"),
}

#: What runs on each of them.
PROGRAMS = {
    "lb1": {"access-log", "haproxy", "haproxy-reload"},
    "lb2": {"access-log", "haproxy", "haproxy-reload"},
    "app1": {"guard", "instance1", "instance2"},
    "app2": {"guard", "instance1"},
    "db": {"zeo"},
}

SERVERS = {"app1.instance1", "app1.instance2", "app2.instance1"}

BALANCERS = ("lb1", "lb2")

LINES = "\n".join(f"    {name} {' '.join(words)}" for name, words in HOSTS.items())

BUILDOUT = f"""\
[buildout]
extends = {CHECKOUT / "versions.cfg"}
parts = stack

[stack]
recipe = zopestack
http-address = *:8080
requests-per-address = off
virtual-address = 10.9.0.100
hosts =
{LINES}

{ledger.SECTIONS}
"""

#: Connections that are kept busy, of each balancer.
VISITORS = 3

#: One that takes a thread, and little of what the other tests compute with meanwhile.
PAGE = "/ledger/slow?seconds=0.02"


@pytest.fixture(scope="module")
def hosts() -> Iterator[Network]:
    """All of them, which serve. The tests change them in their order."""
    with Deployment() as where:
        addresses = {name: address for name, (address, _) in HOSTS.items()}
        # An ssh of the test's own comes first.
        path = f"{where.directory}/ssh:{os.environ['PATH']}"
        with Network(where.directory, addresses, {**where.environment, "PATH": path}) as found:
            machines = list(found.hosts.values())
            for machine in machines:
                machine.write(BUILDOUT)
            with ThreadPoolExecutor(len(machines)) as pool:
                list(pool.map(provision, machines))
            secure_shell.start(machines, where.directory)
            for machine in sorted(machines, key=lambda each: each.name, reverse=True):
                machine.run("bin/supervisord")
            until("all to serve", lambda: [up(found, name) for name in BALANCERS] == 2 * [SERVERS])
            for name in BALANCERS:
                keepalived(found.hosts[name])
            ledger.create(found.hosts["app1"], BOOKS)
            yield found


def provision(machine: Machine) -> None:
    machine.run(COMMANDS / "buildout", "-U")


def keepalived(machine: Machine) -> None:
    """Start it as a system does, and see that it has nothing to say of its configuration."""
    given = ("keepalived", "--use-file", machine.stack.keepalived_conf)
    assert machine.run(*given, "--config-test").stdout == ""
    machine.run(*given, "--vrrp", "--log-console")


def up(found: Network, balancer: str) -> set[str]:
    """The instances that a balancer sends requests to."""
    with suppress(OSError):
        servers = runtime(found.hosts[balancer]).servers()
        return {name for name, server in servers.items() if server.up}
    return set()


def runtime(machine: Machine) -> Runtime:
    return Runtime(machine.directory / "var/haproxy.sock")


def site(name: str) -> Address:
    """Where visitors find it on a balancer."""
    return Address(HOSTS[name][0], 8080)


@contextmanager
def crowds(found: Network, *balancers: str) -> Iterator[list[Crowd]]:
    """New visitors of each balancer, who write and read as fast as they are answered."""
    with found.outside(), ExitStack() as stack:
        every = [
            stack.enter_context(Crowd(site(name), VISITORS, PAGE, next(NUMBERS)))
            for name in balancers
        ]
        for crowd in every:
            crowd.until_written()
        yield every


#: Of the first visitor of each crowd.
NUMBERS = count(0, VISITORS)

#: Visitors of all crowds together.
BOOKS = 10 * VISITORS


def failures(every: Iterable[Crowd]) -> Counter[str]:
    """What went wrong since the last look."""
    return sum((crowd.take().failures for crowd in every), Counter())


def wrong(found: Network, every: Iterable[Crowd]) -> list[str]:
    """Acknowledged records that are not in the database, or twice."""
    promised: dict[str, set[int]] = {str(number): set() for number in range(BOOKS)}
    for crowd in every:
        promised |= crowd.acknowledged
    records, objections = compare(found.hosts["app1"], promised)  # type: ignore[arg-type]
    assert records
    return objections


def test_each_host_runs_its_part_and_each_balancer_serves(hosts: Network) -> None:
    assert {name: set(host.pids()) for name, host in hosts.hosts.items()} == PROGRAMS
    with hosts.outside():
        for name in BALANCERS:
            assert fetch(site(name), PAGE).status == 200


def test_what_only_the_stack_uses_answers_only_its_hosts(hosts: Network) -> None:
    inside = [("10.9.0.11", 8081), ("10.9.0.11", 9081), ("10.9.0.21", 8400), ("10.9.0.1", 8405)]
    for where in inside:
        # A host may: it is listening, and not the network that keeps others away.
        done = hosts.hosts["lb2"].run("python3", "-c", ASK, *map(str, where))
        assert done.stdout.strip() == "open", where
        with hosts.outside():
            assert closes(where), where


#: Says whether the one who listens keeps a connection open on which nothing is said.
ASK = """\
import select, socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
ended = select.select([connection], [], [], 1)[0] and not connection.recv(1)
print("closed" if ended else "open")
"""


def closes(where: tuple[str, int]) -> bool:
    """Whether a connection is closed without a word, as soon as it is there."""
    try:
        with socket.create_connection(where, timeout=60) as connection:
            return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_balancer_knows_who_has_written_through_the_other(hosts: Network) -> None:
    command = "show table written"
    with hosts.outside():
        answer = fetch(site("lb1"), f"/ledger/record?visitor={BOOKS - 1}&number=0", "POST", b"")
    assert answer.status == 200
    until("lb2 to know", lambda: network.OUTSIDE in runtime(hosts.hosts["lb2"]).command(command))


def test_a_balancer_counts_the_requests_through_the_other(hosts: Network) -> None:
    with hosts.outside():
        for _ in range(7):
            fetch(site("lb1"), PAGE)

    def rate() -> int:
        told = runtime(hosts.hosts["lb2"]).command("show table requests")
        found = re.search(rf"key=.*{network.OUTSIDE} .*http_req_rate\(\d+\)=(\d+)", told)
        return int(found[1]) if found else 0

    until("lb2 to know of them", lambda: rate() >= 7)


def test_every_host_is_rolled_from_one_and_no_visitor_notices(hosts: Network) -> None:
    before = {name: hosts.hosts[name].pids() for name in PROGRAMS}
    with crowds(hosts, *BALANCERS) as every:
        done = hosts.hosts["lb1"].run("bin/supervisorctl", "hosts", "roll")
        for crowd in every:
            crowd.until_written()
        assert failures(every) == {}
    assert wrong(hosts, every) == []
    assert re.findall(r"^(\w+): (instance\d): in rotation$", done.stdout, re.MULTILINE) == [
        tuple(server.split(".")) for server in sorted(SERVERS)
    ]
    after = {name: hosts.hosts[name].pids() for name in PROGRAMS}
    for name, programs in PROGRAMS.items():
        restarted = {each for each in programs if before[name][each] != after[name][each]}
        assert restarted == {each for each in programs if each.startswith("instance")}


def test_a_host_never_has_all_its_instances_away(hosts: Network) -> None:
    app1 = hosts.hosts["app1"]
    app1.run("bin/supervisorctl", "drain", "instance2")
    until("both to see it", lambda: [up(hosts, each) for each in BALANCERS] == 2 * [LEFT])
    done = app1.run("bin/supervisorctl", "roll", "instance1", check=False)
    assert done.returncode == 1
    assert "no instance of this host other than app1.instance1 is serving" in done.stdout
    app1.run("bin/supervisorctl", "ready", "instance2")
    assert [up(hosts, each) for each in BALANCERS] == 2 * [SERVERS]


#: Without one that is drained.
LEFT = SERVERS - {"app1.instance2"}


def test_a_command_that_fails_on_one_host_stops_there_and_can_go_on(hosts: Network) -> None:
    lb1 = hosts.hosts["lb1"]
    command = ("bin/supervisorctl", "hosts", "--from", "app1", "threads", "instance2")
    done = lb1.run(*command, check=False)
    assert done.returncode == 1
    assert "app1: instance2:" in done.stdout
    assert "app2: `threads instance2` failed (exit status 1). It is done on app1." in done.stdout
    assert "bin/supervisorctl hosts --from app2 threads instance2" in done.stdout
    done = lb1.run("bin/supervisorctl", "hosts", "--from", "app2", "status")
    assert "status: done on app2, db" in done.stdout
    assert "app1:" not in done.stdout


def test_nothing_is_done_where_a_host_cannot_be_reached(hosts: Network) -> None:
    app1, app2 = hosts.hosts["app1"], hosts.hosts["app2"]
    before = app1.pids()
    secure_shell.stop(app2)
    done = app1.run("bin/supervisorctl", "hosts", "roll", check=False)
    secure_shell.serve(app2)
    assert done.returncode == 1
    assert "nothing was done.\n  app2: ssh 10.9.0.12: ssh: connect to host" in done.stdout
    assert app1.pids() == before


def test_a_host_that_is_cut_off_takes_only_what_it_was_at(hosts: Network) -> None:
    others = {each for each in SERVERS if each.startswith("app1.")}
    with crowds(hosts, *BALANCERS) as every:
        hosts.plug(hosts.hosts["app2"], "down")
        until("both to notice", lambda: [up(hosts, each) for each in BALANCERS] == 2 * [others])
        for crowd in every:
            crowd.until_written()
        hosts.plug(hosts.hosts["app2"], "up")
        until("both to notice", lambda: [up(hosts, each) for each in BALANCERS] == 2 * [SERVERS])
        for crowd in every:
            crowd.until_written()
        lost = failures(every)
    # Each thread had one request at most, and a GET is sent to another instance.
    assert sum(lost.values()) <= 2
    assert all(kind.startswith("POST 50") for kind in lost)
    assert wrong(hosts, every) == []


def holders(found: Network) -> list[str]:
    """The balancers that have the virtual address."""
    having = (found.hosts[name].run("ip", "-brief", "addr", "show", "eth0") for name in BALANCERS)
    return [name for name, done in zip(BALANCERS, having, strict=True) if VIRTUAL in done.stdout]


VIRTUAL = "10.9.0.100"


def answers() -> bool:
    """Whether the site answers at the virtual address, without a wait."""
    with suppress(OSError):
        return probe(Address(VIRTUAL, 8080), PAGE, timeout=2).status == 200
    return False


def test_the_address_is_at_a_balancer_that_serves(hosts: Network) -> None:
    until("the first one", lambda: holders(hosts), lambda found: found == ["lb1"])
    with hosts.outside():
        assert answers()
        hosts.hosts["lb1"].run("bin/supervisorctl", "stop", "haproxy")
        until("the other one", lambda: holders(hosts) == ["lb2"] and answers())
        hosts.hosts["lb1"].run("bin/supervisorctl", "start", "haproxy")
        until("the first one again", lambda: holders(hosts) == ["lb1"] and answers())


def test_a_balancer_that_dies_takes_only_its_own_visitors(hosts: Network) -> None:
    with crowds(hosts, "lb2") as every:
        hosts.hosts["lb1"].power_off()
        for crowd in every:
            crowd.until_written()
        until("the address to move", answers)
        # Nobody waits for one that has gone.
        done = hosts.hosts["app1"].run("bin/supervisorctl", "roll", "instance1")
        for crowd in every:
            crowd.until_written()
        assert failures(every) == {}
    assert "1 instance(s) restarted" in done.stdout
    assert wrong(hosts, every) == []
