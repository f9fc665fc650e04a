"""Varnish as the balancer, under a real supervisord: it gives requests to instances itself, and
nobody loses one that HAProxy would not have lost.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fetch import fetch
from tests.support.polling import until
from tests.support.supervised import Supervised
from tests.support.visitor import Visitors
from zopestack.features.instances import Instance
from zopestack.features.timings import Timings
from zopestack.haproxy.runtime import Runtime
from zopestack.supervisor.health import Report, ask
from zopestack.varnish.admin import Admin

#: Of somebody for whom nothing is kept.
LOGIN = {"Cookie": "__ac=user"}

TIMINGS = Timings(stop=1)


@pytest.fixture(scope="module")
def shared() -> Iterator[Supervised]:
    options = {"stop_grace": "10s", "timeout_queue": "3m"}
    with Supervised(timings=TIMINGS, instances=2, varnish="balancer", **options) as running:
        running.start()
        yield running


@pytest.fixture
def stack(shared: Supervised) -> Supervised:
    """The same, serving, and Varnish knows it."""
    return serving(shared)


def serving(stack: Supervised) -> Supervised:
    stack.wait_serving()
    until("HAProxy to send to Varnish", lambda: row(stack, "varnish", "varnish")["status"], is_up)
    until("Varnish to know every instance", lambda: healthy(stack) == set(names(stack)))
    return stack


def names(stack: Supervised) -> list[str]:
    return [instance.name for instance in stack.stack.instances]


def healthy(stack: Supervised) -> set[str]:
    """The instances to which Varnish gives requests, by what it says itself."""
    varnish = Admin(stack.stack.varnish.executable, stack.stack.varnish_directory)
    told = json.loads(varnish.command("backend.list", "-j"))[-1]
    prefix = "agent_of_"
    return {
        name.partition(prefix)[2]
        for name, each in told.items()
        if prefix in name and each["probe_message"][-1] == "healthy"
    }


def row(stack: Supervised, backend: str, server: str = "BACKEND") -> dict[str, str]:
    """HAProxy's row of a server, or of a whole backend."""
    rows = Runtime(stack.stack.haproxy_socket).statistics()
    return next(each for each in rows if (each["pxname"], each["svname"]) == (backend, server))


def is_up(status: str) -> bool:
    return status == "UP"


def report(instance: Instance) -> Report:
    """What an agent tells."""
    return until(f"the agent of {instance.name}", lambda: ask(instance))


def served(stack: Supervised) -> dict[str, int]:
    """Requests that each instance has answered since its start."""
    return {each.name: report(each).requests for each in stack.stack.instances}


def busy(stack: Supervised) -> list[Instance]:
    """The instances that work on a request."""
    reports = ((each, ask(each)) for each in stack.stack.instances)
    return [each for each, told in reports if told and told.busy]


@contextmanager
def visited(stack: Supervised) -> Iterator[Visitors]:
    """Visitors with a login are there in the block, and none of them gets an error."""
    with Visitors(stack.stack.balancer.local_address, headers=LOGIN) as present:
        until("first visits", lambda: present.served)
        yield present
        more_visits(present)
    assert present.failures == []


def more_visits(present: Visitors) -> None:
    before = present.served
    until("more visits", lambda: present.served > before + 20)


def ctl(stack: Supervised, *words: str) -> None:
    done = stack.supervisorctl(*words)
    assert done.returncode == 0, done.stdout


def is_zero(weight: str) -> bool:
    return weight == "0"


class Visit(threading.Thread):
    """One request of somebody with a login.

    :ivar status: of the answer.
    """

    def __init__(self, stack: Supervised, path: str, method: str = "GET") -> None:
        super().__init__()
        self.arguments = (stack.stack.balancer.local_address, path, method)
        self.start()

    def run(self) -> None:
        self.status = fetch(*self.arguments, headers=LOGIN).status

    def outcome(self) -> int:
        """The status, once there is one."""
        self.join()
        return self.status


@pytest.mark.parametrize("headers", [LOGIN, {}], ids=["login", "stranger"])
def test_every_instance_gets_requests_and_not_from_haproxy(
    stack: Supervised, headers: dict[str, str]
) -> None:
    def round_of_visits() -> bool:
        before, own = served(stack), row(stack, "zope")["stot"]
        for _ in range(40):
            answer = fetch(stack.stack.balancer.local_address, "/", headers=headers)
            assert answer.status == 200
        grown = [now > before[name] for name, now in served(stack).items()]
        return all(grown) and row(stack, "zope")["stot"] == own

    # An answer to Varnish's health check may be late on a busy machine; then HAProxy gives them.
    until("Varnish to give all of them", round_of_visits)


def test_whoever_finds_no_thread_waits_in_haproxys_queue(stack: Supervised, tmp_path: Path) -> None:
    """Varnish has none, and would send an instance whatever comes."""
    file, number = tmp_path / "released", 12
    visits = [Visit(stack, f"/hold{file}?{each}") for each in range(number)]

    def waiting() -> int:
        return int(row(stack, "zope")["qcur"])

    # Varnish gives an instance one a thread, and HAProxy, which learns of these later, as many.
    # Where HAProxy has been reloaded before, an older one may have another one.
    most = 2 * stack.stack.threads
    until("all others to wait", waiting, lambda queue: queue >= number - most)
    assert sum(report(each).in_flight for each in stack.stack.instances) <= most
    file.touch()
    assert [visit.outcome() for visit in visits] == [200] * number


@pytest.mark.parametrize(("first", "second"), [("GET", "POST"), ("POST", "GET"), ("GET", "GET")])
def test_nobody_waits_for_an_instance_that_works_for_the_other_balancer(
    stack: Supervised, tmp_path: Path, first: str, second: str
) -> None:
    """While another one is idle."""
    file = tmp_path / "released"
    visit = Visit(stack, f"/hold{file}", first)
    (one,) = until("it to be at work", lambda: busy(stack))
    if second == "POST":
        # HAProxy learns within 0.2 s what Varnish has given.
        until("HAProxy to give it nothing", lambda: row(stack, "zope", one.name)["weight"], is_zero)
    for _ in range(10):
        others = fetch(stack.stack.balancer.local_address, "/", second, headers=LOGIN)
        assert others.status == 200
    assert busy(stack) == [one]
    file.touch()
    assert visit.outcome() == 200


def test_a_drained_instance_gets_nothing_more_and_ready_brings_it_back(stack: Supervised) -> None:
    with visited(stack) as present:
        ctl(stack, "drain", "instance1")
        before = served(stack)["instance1"]
        more_visits(present)
        assert served(stack)["instance1"] == before
        ctl(stack, "ready", "instance1")
        until("it to get some", lambda: served(stack)["instance1"] > before)


@pytest.mark.parametrize("words", [("roll",), ("restart", "varnish"), ("restart", "haproxy")])
def test_what_is_restarted_loses_no_visitor(stack: Supervised, words: tuple[str, ...]) -> None:
    with visited(stack):
        ctl(stack, *words)


def test_instances_that_are_killed_lose_no_visitor(stack: Supervised) -> None:
    for instance in stack.stack.instances:
        with visited(stack):
            pid = stack.pids()[instance.name]
            os.kill(pid, signal.SIGKILL)
            until("another one", lambda old=pid, n=instance.name: stack.pids()[n] not in (0, old))
            serving(stack)


def test_more_instances_lose_no_visitor(stack: Supervised) -> None:
    with visited(stack):
        for number in (3, 2):
            stack.configure(instances=number)
            ctl(stack, "update")
            serving(stack)


def test_what_an_instance_has_not_answered_is_asked_again_at_another_one(
    stack: Supervised, tmp_path: Path
) -> None:
    file = tmp_path / "released"
    visit = Visit(stack, f"/hold{file}")
    (first,) = until("it to be at work", lambda: busy(stack))
    os.kill(stack.pids()[first.name], signal.SIGKILL)
    until("another one to be at work", lambda: any(each != first for each in busy(stack)))
    file.touch()
    assert visit.outcome() == 200


def test_a_post_is_given_by_haproxy_once(stack: Supervised, tmp_path: Path) -> None:
    before = int(row(stack, "zope")["stot"])
    visit = Visit(stack, f"/hold{tmp_path / 'never'}", "POST")
    (first,) = until("it to be at work", lambda: busy(stack))
    os.kill(stack.pids()[first.name], signal.SIGKILL)
    assert visit.outcome() == 502
    assert int(row(stack, "zope")["stot"]) == before + 1
    assert busy(stack) == []


def test_a_drain_waits_until_varnish_has_learned_of_it() -> None:
    """HAProxy is told at once, and Varnish asks every three seconds."""
    timings = replace(TIMINGS, check_interval=3)
    with Supervised(timings=timings, instances=2, varnish="balancer") as stack:
        stack.start()
        serving(stack)
        with visited(stack) as present:
            ctl(stack, "drain", "instance1")
            before = served(stack)["instance1"]
            more_visits(present)
            assert served(stack)["instance1"] == before


def test_what_takes_too_long_is_not_asked_again(tmp_path: Path) -> None:
    times = {"request_timeout": "1s", "timeout_server": "2s", "hung_after": "10m"}
    with Supervised(timings=TIMINGS, instances=2, varnish="balancer", **times) as stack:
        stack.start()
        serving(stack)
        file = tmp_path / "released"
        visit = Visit(stack, f"/hold{file}")
        assert visit.outcome() == 504
        assert len(busy(stack)) == 1
        file.touch()
