"""What visitors of several hosts lose when one of them is hurt: figures for measured.rst.

    .venv/bin/python -m tests.system.chaos.hosts

Two balancers, three hosts with instances and one with PostgreSQL, in network namespaces. Visitors
of each balancer, or of the address that moves between them, write and read without a pause.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from scripts.bootstrap import say
from tests.support.polling import until
from tests.system import several_hosts
from tests.system.chaos.run import Figure, Outcome, table
from tests.system.chaos.scenarios import NOTHING
from tests.system.chaos.visitors import Crowd
from tests.system.several_hosts import (
    BALANCERS,
    BUILDOUT,
    PAGE,
    SERVERS,
    VIRTUAL,
    Running,
    crowds,
    holders,
    provision,
    until_up,
    until_written,
)

#: A POST that was in flight on what has gone, or was to be committed just then.
POST_IN_FLIGHT = re.compile("POST 50[024]")

#: Whatever was in flight on the balancer that has gone, or has given the address away.
IN_FLIGHT = re.compile(r"(GET|POST) (\w+Error|RemoteDisconnected|IncompleteRead)")

#: Seconds for which the database is away.
AWAY = 10.0

#: Seconds that a frame takes in either direction; twice that for an answer.
SLOW = 0.1

#: Seconds after which a visitor of the address gives up. Nobody tells who has sent a whole request
#: that the balancer has gone.
PATIENCE = 10


@dataclass(frozen=True)
class Scenario:
    """Something that happens to the hosts.

    :param allowed: the failures that may be.
    :param visited: balancers, or the address, with visitors of their own.
    :param patience: seconds that these wait for an answer.
    """

    name: str
    act: Callable[[Running], None]
    allowed: re.Pattern[str] = NOTHING
    visited: tuple[str, ...] = BALANCERS
    patience: float = 90


def roll(found: Running) -> None:
    """Restart every instance, from one host."""
    before = {name: host.pids() for name, host in found.hosts.items()}
    said = found.hosts["lb1"].run("bin/supervisorctl", "hosts", "roll").stdout
    rolled = re.findall(r"^(\w+): (instance\d): in rotation$", said, re.MULTILINE)
    assert [".".join(each) for each in rolled] == sorted(SERVERS)
    for name, host in found.hosts.items():
        for program, pid in host.pids().items():
            assert (pid != before[name][program]) == program.startswith("instance"), program


def cut_off(found: Running) -> None:
    """Pull the cable of a host, and plug it in again."""
    found.plug(found.hosts["app2"], "down")
    until_up(found, {each for each in SERVERS if not each.startswith("app2.")})
    found.plug(found.hosts["app2"], "up")
    until_up(found)


def without_database(found: Running) -> None:
    """Stop PostgreSQL for a while."""
    found.database.end()
    threading.Event().wait(AWAY)
    found.database.start()
    until_up(found)


def slow(found: Running) -> None:
    """Have the network of a host be slow for a while."""
    with found.slow(found.hosts["app3"], SLOW):
        threading.Event().wait(AWAY)
    until_up(found)


def upgrade(found: Running) -> None:
    """Deploy a change of every instance and of HAProxy, on one host after the other."""
    changed = BUILDOUT.replace("[instance]", "[instance]\nenvironment-vars = RELEASE 2")
    changed = changed.replace("timeout-queue = 2m", "timeout-queue = 3m")
    for name in ("app1", "app2", "app3", "db", *BALANCERS):
        host = found.hosts[name]
        before = host.pids()
        host.write(changed)
        provision(host)
        host.run("bin/supervisorctl", "update")
        after = host.pids()
        kept = {each for each in after if after[each] == before[each]}
        assert not [each for each in kept if each.startswith("instance")]
        assert "haproxy" in kept or not host.stack.balances
    until_up(found)


def move_address(found: Running) -> None:
    """Stop keepalived of the balancer that has the address, and start it again."""
    lb1 = found.hosts["lb1"]
    lb1.run("pkill", "--pidfile", several_hosts.KEEPER)
    until("the other one", lambda: holders(found) == ["lb2"])
    until("it to end", lambda: lb1.run("test", "-e", several_hosts.KEEPER, check=False).returncode)
    several_hosts.keepalived(found, "lb1")
    until("the first one again", lambda: holders(found) == ["lb1"])


def kill_balancer(found: Running) -> None:
    """Cut the power of the balancer that has the address."""
    found.hosts["lb1"].power_off()
    until("the address to move", several_hosts.answers)


SCENARIOS = (
    Scenario("roll every instance", roll),
    Scenario("cut a host off, and back", cut_off, POST_IN_FLIGHT),
    Scenario("lose PostgreSQL for 10 s", without_database, re.compile("POST 500")),
    Scenario("200 ms more to one host, 10 s", slow),
    Scenario("upgrade one host at a time", upgrade),
    Scenario("move the address, and back", move_address, IN_FLIGHT, (VIRTUAL,), PATIENCE),
    Scenario("kill a balancer", kill_balancer, IN_FLIGHT, ("lb2", VIRTUAL), PATIENCE),
)


def hurt(found: Running, page: str) -> Outcome:
    """Hurt hosts that serve in every way, and look into the database at the end.

    :param page: what visitors read.
    """
    figures, everybody = [], []
    for scenario in SCENARIOS:
        say(scenario.name)
        visited, patience = scenario.visited, scenario.patience
        with crowds(found, *visited, page=page, patience=patience) as every:
            began = time.monotonic()
            scenario.act(found)
            whole = time.monotonic() - began
            until_written(every)
            figures.append(figure(scenario, every, whole))
            say(str(figures[-1]))
        everybody += every
    return Outcome(figures, *several_hosts.wrong(found, everybody))


def figure(scenario: Scenario, every: list[Crowd], whole: float) -> Figure:
    """What visitors have noticed of it."""
    seen = [crowd.take() for crowd in every]
    lost, allowed = Counter[str](), Counter[str]()
    for name, tally in zip(scenario.visited, seen, strict=True):
        # Where the address is hurt, who does not use it notices nothing.
        spared = VIRTUAL in scenario.visited and name != VIRTUAL
        may_be = NOTHING if spared else scenario.allowed
        for kind, count in tally.failures.items():
            (allowed if may_be.match(kind) else lost)[kind] += count
    return Figure(
        scenario=scenario.name,
        requests=sum(each.requests for each in seen),
        lost=dict(lost),
        allowed=dict(allowed),
        worst_gap=round(max(each.worst_gap for each in seen), 2),
        whole=round(whole, 2),
        limit=None,
    )


def main() -> None:
    """Hurt them and print the table."""
    with several_hosts.running() as found:
        say(f"\n{table(hurt(found, PAGE))}\n")


if __name__ == "__main__":
    main()
