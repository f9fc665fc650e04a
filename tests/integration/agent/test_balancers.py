"""HAProxy hears of a drain from the instance, long before its next health check."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.agent.serving import serving
from tests.integration.agent.test_server import Application
from tests.support import describe, freeports
from tests.support.door import Door
from tests.support.polling import until
from zopestack.agent import balancers
from zopestack.agent.balancers import Balancers
from zopestack.agent.drain import Drain, State
from zopestack.agent.hang import HangWatch
from zopestack.agent.health import Health
from zopestack.agent.meter import Meter
from zopestack.agent.port import open_port
from zopestack.agent.warm_up import WarmUp
from zopestack.buildout import parts
from zopestack.features.timings import Timings
from zopestack.supervisor.health import ask

#: Between two health checks, longer than the tests take.
NEVER = 600


class Behind:
    """An instance behind HAProxy, and what the two know of each other."""

    def __init__(self, door: Door, balancers: Balancers, drain: Drain) -> None:
        self.door = door
        self.balancers = balancers
        self.drain = drain

    def up(self) -> bool:
        return self.door.servers()["instance1"].up

    def checked(self) -> list[str]:
        return list(self.balancers._asked)


@pytest.fixture(scope="module")
def running(program: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    home, ports = tmp_path_factory.mktemp("home"), freeports.reserve()
    with ExitStack() as ends, serving(Application()) as instance:
        ends.callback(ports.release)
        front = {"instances": 1, "haproxy": program}
        door = Door(home, instance.port, ports.base, front)
        door.timings = Timings(check_interval=NEVER)
        options = {"instances": "1", "agent-base-port": str(ports.base)}
        stack = describe.read(door.directory, options)
        own = parts.agent(stack, stack.instances[0])
        meter = Meter(Application(), instance.threads)
        told = Balancers(NEVER, own.haproxy, own.server)
        drain = Drain(meter, own.stop_grace, told)
        drain.serve()
        hang, warm_up = HangWatch(meter, 1, own.hung_after), WarmUp(own, then=drain.serve)
        agent = open_port(Health(own, meter, drain, hang, warm_up, time.monotonic()))
        agent.start()
        ends.callback(agent.server_close)
        ends.callback(agent.shutdown)
        with door:
            yield Behind(door, told, drain)


@pytest.fixture
def behind(running: Behind) -> Iterator[Behind]:
    until("the first health check", running.checked)
    asked = dict(running.balancers._asked)
    yield running
    running.balancers._asked = asked
    running.drain.ready()
    assert running.up()


def test_it_is_out_of_rotation_at_once_and_back_at_once(behind: Behind) -> None:
    behind.drain.drain()
    assert not behind.up()
    behind.drain.ready()
    assert behind.up()


def test_the_one_that_was_told_is_not_waited_for(behind: Behind) -> None:
    assert behind.balancers.unaware() == NEVER
    assert behind.balancers.unaware(behind.balancers.tell(serves=True)) == 0


def test_nor_is_a_command_of_supervisorctl(behind: Behind) -> None:
    report = ask(behind.door.stack.instances[0])
    assert report
    assert behind.balancers.unaware(behind.balancers.tell(serves=True)) == 0


def test_another_one_is(behind: Behind) -> None:
    with behind.balancers.asking("Varnish"):
        pass
    assert behind.balancers.unaware(behind.balancers.tell(serves=True)) == NEVER


def test_an_answer_from_before_the_drain_does_not_end_it(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balancers, "TIMEOUT", NEVER)
    with behind.balancers.asking("HAProxy"):
        drains = threading.Thread(target=behind.drain.drain)
        drains.start()
        until("it to drain", lambda: behind.drain.state is State.DRAINING)
        # HAProxy gives this answer its due first.
        assert behind.up()
    drains.join(60)
    assert not behind.up()


def test_nobody_has_heard_where_there_is_no_haproxy(tmp_path: Path) -> None:
    assert Balancers(1).tell(serves=False) == ""
    assert Balancers(1, str(tmp_path / "haproxy.sock"), "zope/instance1").tell(serves=False) == ""


def test_nor_where_it_does_not_know_the_instance(behind: Behind) -> None:
    assert Balancers(1, behind.balancers.path, "zope/instance9").tell(serves=False) == ""


def test_nor_where_it_is_too_busy_to_answer(behind: Behind) -> None:
    with behind.door.held_up():
        assert behind.balancers.tell(serves=True) == ""


def told(balancers: Balancers, name: str, status: int) -> None:
    """Let one ask, and take this answer."""
    with balancers.asking(name):
        balancers.took(name, status)


def test_an_answer_is_seen_when_every_balancer_has_taken_it() -> None:
    own = Balancers(1)
    assert not own.seen(200), "nobody asks"

    def asked(status: int, *names: str) -> bool:
        for name in names:
            told(own, name, status)
        return own.seen(status)

    # Not at once: another balancer may be about to ask for the first time.
    assert not asked(200, "HAProxy/1")
    until("time for all to ask", lambda: asked(200, "HAProxy/1", "HAProxy/1 at 10.0.0.2"))
    until("the drain to be seen", lambda: asked(404, "HAProxy/1", "HAProxy/1 at 10.0.0.2"))
    told(own, "HAProxy/1 at 10.0.0.2", 200)
    assert not own.seen(404)
    # One that has gone does not ask again.
    until("the other alone", lambda: asked(404, "HAProxy/1"))


def test_a_question_of_supervisorctl_is_none_of_a_balancer() -> None:
    own = Balancers(0)
    own.seen(200)
    told(own, "zopestack", 200)
    told(own, "zopestack at 10.0.0.2", 200)
    assert not own.seen(200)
