"""One stack on six hosts: two balancers, three hosts with instances, and one with PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support import network, secure_shell
from tests.support.fetch import fetch
from tests.support.harness import CHECKOUT
from tests.support.polling import until
from tests.system import several_hosts
from tests.system.chaos.hosts import hurt
from tests.system.chaos.run import table
from tests.system.several_hosts import (
    BALANCERS,
    BOOKS,
    BUILDOUT,
    PAGE,
    SERVERS,
    TESTED,
    Running,
    answers,
    holders,
    runtime,
    site,
    until_up,
)

pytestmark = pytest.mark.skipif(
    not network.available(), reason="makes network namespaces, which needs root"
)

#: What runs on each of them.
PROGRAMS = {
    "lb1": {"access-log", "haproxy", "haproxy-reload"},
    "lb2": {"access-log", "haproxy", "haproxy-reload"},
    "app1": {"guard", "instance1", "instance2"},
    "app2": {"guard", "instance1"},
    "app3": {"guard", "instance1"},
    "db": set(),
}


@pytest.fixture(scope="module")
def hosts() -> Iterator[Running]:
    """All of them, which serve. The tests change them in their order."""
    with several_hosts.running() as found:
        yield found


def test_each_host_runs_its_part_and_each_balancer_serves(hosts: Running) -> None:
    assert {name: set(host.pids()) for name, host in hosts.hosts.items()} == PROGRAMS
    with hosts.outside():
        for name in BALANCERS:
            assert fetch(site(name), PAGE).status == 200


def test_what_only_the_stack_uses_answers_only_its_hosts(hosts: Running) -> None:
    for where in (("10.9.0.11", 8081), ("10.9.0.11", 9081), ("10.9.0.1", 8405)):
        # A host may: it is listening, and not the network that keeps others away.
        assert hosts.keeps_open(hosts.hosts["lb2"], where)
        assert not hosts.keeps_open(None, where)


def test_a_balancer_knows_who_has_written_through_the_other(hosts: Running) -> None:
    command = "show table written"
    with hosts.outside():
        answer = fetch(site("lb1"), f"/ledger/record?visitor={BOOKS - 1}&number=0", "POST", b"")
    assert answer.status == 200
    until("lb2 to know", lambda: network.OUTSIDE in runtime(hosts.hosts["lb2"]).command(command))


def test_a_balancer_counts_the_requests_through_the_other(hosts: Running) -> None:
    with hosts.outside():
        for _ in range(7):
            fetch(site("lb1"), PAGE)

    def rate() -> int:
        told = runtime(hosts.hosts["lb2"]).command("show table requests")
        found = re.search(rf"key=.*{network.OUTSIDE} .*http_req_rate\(\d+\)=(\d+)", told)
        return int(found[1]) if found else 0

    until("lb2 to know of them", lambda: rate() >= 7)


def test_a_host_never_has_all_its_instances_away(hosts: Running) -> None:
    app1 = hosts.hosts["app1"]
    app1.run("bin/supervisorctl", "drain", "instance2")
    until_up(hosts, LEFT)
    done = app1.run("bin/supervisorctl", "roll", "instance1", check=False)
    assert done.returncode == 1
    assert "no instance of this host other than app1.instance1 is serving" in done.stdout
    app1.run("bin/supervisorctl", "ready", "instance2")
    until_up(hosts)


#: Without one that is drained.
LEFT = SERVERS - {"app1.instance2"}


def test_a_command_that_fails_on_one_host_stops_there_and_can_go_on(hosts: Running) -> None:
    lb1 = hosts.hosts["lb1"]
    command = ("bin/supervisorctl", "hosts", "--from", "app1", "threads", "instance2")
    done = lb1.run(*command, check=False)
    assert done.returncode == 1
    assert "app1: instance2:" in done.stdout
    assert "app2: `threads instance2` failed (exit status 1). It is done on app1." in done.stdout
    assert "bin/supervisorctl hosts --from app2 threads instance2" in done.stdout
    done = lb1.run("bin/supervisorctl", "hosts", "--from", "app2", "status")
    assert "status: done on app2, app3, db" in done.stdout
    assert "app1:" not in done.stdout


def test_nothing_is_done_where_a_host_cannot_be_reached(hosts: Running) -> None:
    app1, app2 = hosts.hosts["app1"], hosts.hosts["app2"]
    before = app1.pids()
    secure_shell.stop(app2)
    done = app1.run("bin/supervisorctl", "hosts", "roll", check=False)
    secure_shell.serve(app2)
    assert done.returncode == 1
    assert "nothing was done.\n  app2: ssh 10.9.0.12: ssh: connect to host" in done.stdout
    assert app1.pids() == before


def test_the_address_is_at_a_balancer_that_serves(hosts: Running) -> None:
    until("the first one", lambda: holders(hosts), lambda found: found == ["lb1"])
    with hosts.outside():
        assert answers()
        hosts.hosts["lb1"].run("bin/supervisorctl", "stop", "haproxy")
        until("the other one", lambda: holders(hosts) == ["lb2"] and answers())
        hosts.hosts["lb1"].run("bin/supervisorctl", "start", "haproxy")
        until("the first one again", lambda: holders(hosts) == ["lb1"] and answers())


def test_a_keepalived_conf_that_it_refuses_changes_nothing(hosts: Running) -> None:
    lb2 = hosts.hosts["lb2"]
    before = lb2.stack.keepalived_conf
    text = (CHECKOUT / "templates" / f"{before.name}.j2").read_text("utf-8")
    own = lb2.directory / "templates"
    own.mkdir()
    (own / f"{before.name}.j2").write_text(text.replace("advert_int", "advertise"), "utf-8")
    lb2.write(BUILDOUT.replace("[stack]", "[stack]\ntemplates = templates"))
    done = several_hosts.provision(lb2, check=False)
    lb2.write(BUILDOUT)
    assert done.returncode == 1
    assert "makes a keepalived.conf that keepalived does not accept; nothing was" in done.stdout
    assert "Unknown keyword 'advertise'" in done.stdout
    assert "advert_int" in (lb2.directory / "parts/stack-files" / before.name).read_text("utf-8")


@pytest.mark.timeout(900)
def test_whatever_happens_to_a_host_nothing_is_lost(hosts: Running) -> None:
    """Last, because it ends with one of them."""
    outcome = hurt(hosts, TESTED)
    print(table(outcome))
    assert not outcome.lost, table(outcome)


def test_nobody_waits_for_a_balancer_that_has_gone(hosts: Running) -> None:
    done = hosts.hosts["app1"].run("bin/supervisorctl", "roll", "instance1")
    assert "1 instance(s) restarted" in done.stdout
