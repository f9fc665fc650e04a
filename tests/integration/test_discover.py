"""Instances that a scheduler starts: a real HAProxy finds them through a real name server."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.discovering import Discovering
from tests.support.holding import length, request, sent
from tests.support.name_server import DOMAIN, NameServer
from tests.support.polling import until
from tests.support.scheduler import Scheduler
from tests.support.visitor import Visitors
from zopestack.features.address import Address
from zopestack.supervisor.readiness import missing

NAME = f"zope.{DOMAIN}"
SERVICE = f"_zope._tcp.{DOMAIN}"
A, B = f"a.{DOMAIN}", f"b.{DOMAIN}"

MOST = 4


@contextmanager
def balanced(service: bool = False, **options: object) -> Iterator[tuple[Discovering, Scheduler]]:
    """A name server, a scheduler without an instance, and a balancer.

    :param service: whether the records have the ports, of ``a`` and ``b``.
    """
    with tempfile.TemporaryDirectory(prefix="zs-") as home, ExitStack() as running:
        names = NameServer(Path(home))
        scheduler = running.enter_context(Scheduler(names, NAME))
        if service:
            names.services = {SERVICE: {A: scheduler.port, B: scheduler.port + 1}}
        names.address = Address("127.0.0.1", scheduler.ports.spare)
        running.enter_context(names)
        asked = SERVICE if service else f"{NAME}:{scheduler.port}"
        balancer = running.enter_context(
            Discovering(f"{asked} up-to={MOST} agent={scheduler.agent}", names, **options)
        )
        balancer.start()
        yield balancer, scheduler


def scale(balancer: Discovering, scheduler: Scheduler, number: int) -> None:
    """Scale, and wait until HAProxy knows it."""
    scheduler.scale(number)
    balancer.wait_known(scheduler.running)


def test_visitors_lose_nothing_while_the_number_changes() -> None:
    with balanced() as (balancer, scheduler):
        scale(balancer, scheduler, 1)
        with Visitors(balancer.site) as visitors:
            scale(balancer, scheduler, 3)
            everybody = [balancer.at(each).name for each in scheduler.running]
            until(
                "all to get requests",
                balancer.runtime.servers,
                lambda servers: all(servers[name].total for name in everybody),
            )
            scale(balancer, scheduler, 1)
            served = visitors.served
            until("the last one to serve", lambda: visitors.served > served + 10)
        assert visitors.failures == []


def test_a_request_ends_well_whose_instance_leaves() -> None:
    with balanced() as (balancer, scheduler):
        scale(balancer, scheduler, 2)
        release = balancer.directory / "release"
        answers: list[int] = []

        def visit() -> None:
            answers.append(balancer.get(f"/hold{release}").status)

        visit_both = [threading.Thread(target=visit) for _ in range(2)]
        for each in visit_both:
            each.start()
        until(
            "both to be busy",
            balancer.runtime.servers,
            lambda servers: sum(each.current for each in servers.values()) == 2,
        )
        # It ends with its last request, after its address has left HAProxy.
        scaling = threading.Thread(target=scheduler.scale, args=(1,))
        scaling.start()
        until("one to leave", lambda: len([*balancer.known()]) == 1)
        until(
            "its address to leave",
            balancer.runtime.servers,
            lambda servers: (
                [each.status.startswith("MAINT") for each in servers.values()].count(False) == 1
            ),
        )
        release.touch()
        for each in (*visit_both, scaling):
            each.join()
        assert answers == [200, 200]


def test_an_instance_that_drains_gets_nothing() -> None:
    with balanced() as (balancer, scheduler):
        scale(balancer, scheduler, 2)
        address, process = next(iter(scheduler.running.items()))
        process.send_signal(signal.SIGUSR1)
        # HAProxy's word for a server whose check was answered with 404.
        until("a drain", lambda: balancer.at(address).status, "NOLB".__eq__)
        before = balancer.at(address).total
        with Visitors(balancer.site) as visitors:
            until("visitors", lambda: visitors.served > 20)
        assert visitors.failures == []
        assert balancer.at(address).total == before
        process.send_signal(signal.SIGUSR2)
        until("its return", lambda: balancer.at(address).up)


def test_the_last_addresses_stay_while_no_name_server_answers() -> None:
    with balanced() as (balancer, scheduler):
        scale(balancer, scheduler, 2)
        known = balancer.known()
        scheduler.names.stop()
        before = balancer.unanswered()
        with Visitors(balancer.site) as visitors:
            until("questions without an answer", lambda: balancer.unanswered() > before + 5)
            assert balancer.known() == known
            # The new process has asked nobody yet.
            worker = balancer.runtime.worker()
            balancer.configure(log_format="json")
            done = balancer.supervisorctl("restart", "haproxy-reload")
            assert done.returncode == 0, done.stdout
            assert balancer.runtime.worker() != worker
            assert balancer.known() == known
            served = visitors.served
            until("visitors", lambda: visitors.served > served + 20)
        assert visitors.failures == []
        scheduler.names.start()
        scale(balancer, scheduler, 3)


def test_a_name_that_is_not_there_yet() -> None:
    with balanced() as (balancer, scheduler):
        assert balancer.get().status == 503
        # Everything of this machine runs.
        assert missing(balancer.stack) == {}
        for command in ("stack", "update"):
            done = balancer.supervisorctl(command)
            assert done.returncode == 0, done.stdout
        scale(balancer, scheduler, 1)
        assert balancer.get().status == 200


def test_the_port_from_the_records_of_a_service() -> None:
    """Two instances whose ports differ; DNS tells both."""
    with balanced(service=True) as (balancer, scheduler):
        first = scheduler.start()
        second = scheduler.start(port=scheduler.port + 1)
        for each in (first, second):
            scheduler.wait_ready(each)
        scheduler.names.tell({A: [first], B: [second]})
        balancer.wait_known([first, second])
        asked = {place.host: place.port for place in balancer.runtime.places().values()}
        assert (asked[first], asked[second]) == (scheduler.port, scheduler.port + 1)
        with Visitors(balancer.site) as visitors:
            until("both", lambda: balancer.at(first).total and balancer.at(second).total)
        assert visitors.failures == []


@pytest.mark.parametrize("affinity", ["cookie", "path"])
def test_a_preferred_server_stays(affinity: str) -> None:
    with balanced(affinity=affinity) as (balancer, scheduler):
        scale(balancer, scheduler, MOST)
        first = balancer.get()
        cookie = first.headers.get("Set-Cookie", "").partition(";")[0]
        assert bool(cookie) == (affinity == "cookie")
        for _ in range(20):
            assert balancer.get(headers={"Cookie": cookie} if cookie else {}).status == 200
        totals = sorted(each.total for each in balancer.runtime.servers().values())
        assert totals[-1] >= 20
        assert sum(totals) == 21


def test_a_slot_that_a_client_holds_is_lent() -> None:
    """The one instance has one thread, and nothing to do with it."""
    with balanced() as (balancer, scheduler):
        scale(balancer, scheduler, 1)
        (address,) = scheduler.running
        hold = sent(request("POST", "/", length(10_000_000)) + b"x" * 100_000)
        with ExitStack() as held:
            hold(balancer, held)
            until("the slot to be held", lambda: balancer.at(address).current)
            assert balancer.get().status == 200
            assert balancer.at(address).current
