"""supervisorctl and groups of instances, on a busy site: nobody loses anything."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.polling import until
from tests.support.supervised import Supervised
from tests.support.visitor import Visitors
from zopestack.features.timings import Timings
from zopestack.haproxy.runtime import Runtime, Server
from zopestack.supervisor.readiness import NotReady, wait_ready

GROUPS = "rest = /++api++\ncrawlers = /crawled"

PATHS = ("/", "/++api++/x", "/crawled")


@pytest.fixture(scope="module")
def shared() -> Iterator[Supervised]:
    """Two ordinary instances, one of rest, and two of crawlers."""
    timings = Timings(stop=1, check_interval=0.2)
    made = Supervised(timings=timings, sections={"crawlers": {"instances": "2"}}, instances=2)
    with made as running:
        running.configure(groups=GROUPS, stop_grace="5s")
        running.start()
        yield running


@pytest.fixture
def stack(shared: Supervised) -> Supervised:
    """The same, serving."""
    shared.wait_serving()
    return shared


@contextmanager
def busy(stack: Supervised) -> Iterator[None]:
    """Visitors of every group are there in the block, and none of them gets an error."""
    with ExitStack() as entered:
        address = stack.stack.balancer.local_address
        everybody = [entered.enter_context(Visitors(address, 1, path)) for path in PATHS]
        yield
        served = [each.served for each in everybody]
        until(
            "more visits",
            lambda: all(x.served > n for x, n in zip(everybody, served, strict=True)),
        )
    assert [each.failures for each in everybody] == [[], [], []]


def servers(stack: Supervised) -> dict[str, Server]:
    return Runtime(stack.stack.haproxy_socket).servers()


def test_a_roll_takes_no_group_away_that_has_more_than_one(stack: Supervised) -> None:
    before = stack.pids()
    with busy(stack):
        done = stack.supervisorctl("roll", "all", "--at-once", "9")
    # All ordinary ones at once would be the site.
    assert done.returncode == 1
    assert "so the site would go down" in done.stdout
    with busy(stack):
        done = stack.supervisorctl("roll", "instance2", "rest", "crawlers", "--at-once", "9")
    assert done.returncode == 0, done.stdout
    said = done.stdout
    assert said.index("instance4: in rotation") < said.index("instance5: draining")
    assert said.index("instance2: draining") < said.index("instance3: stopped")
    rolled = {name for name, pid in stack.pids().items() if pid != before[name]}
    assert rolled == {"instance2", "instance3", "instance4", "instance5"}


def test_a_whole_group_is_not_drained(stack: Supervised) -> None:
    done = stack.supervisorctl("drain", "crawlers")
    assert done.returncode == 1
    assert "no instance other than instance4, instance5 is serving" in done.stdout
    assert "backend zope-crawlers would go down; nothing further was changed" in done.stdout
    assert all(each.up for each in servers(stack).values())


def test_the_only_instance_of_a_group_may_drain_and_the_others_answer(stack: Supervised) -> None:
    with busy(stack):
        assert stack.supervisorctl("drain", "rest").returncode == 0
        assert not servers(stack)["instance3"].up
        given = servers(stack)["instance3"].total
        # Visitors of rest are answered by others meanwhile.
        until("other visits", lambda: servers(stack)["instance4"].total > 50)
        assert servers(stack)["instance3"].total == given
    # And not even by others, where those would be gone.
    os.kill(stack.pids()["instance2"], signal.SIGSTOP)
    until("it to be out", lambda: not servers(stack)["instance2"].up)
    assert stack.supervisorctl("ready", "rest").returncode == 0
    done = stack.supervisorctl("drain", "rest", "instance1")
    os.kill(stack.pids()["instance2"], signal.SIGCONT)
    assert done.returncode == 1
    assert "so the site would go down" in done.stdout
    assert servers(stack)["instance3"].up


def test_the_table_says_whose_an_instance_is(stack: Supervised) -> None:
    lines = [line.split() for line in stack.supervisorctl("stack").stdout.splitlines()]
    assert lines[0][:3] == ["instance", "group", "state"]
    assert [line[:3] for line in lines[1:]] == [
        ["instance1", "-", "serving"],
        ["instance2", "-", "serving"],
        ["instance3", "rest", "serving"],
        ["instance4", "crawlers", "serving"],
        ["instance5", "crawlers", "serving"],
    ]


def test_an_edit_of_a_group_restarts_its_instances_one_at_a_time(stack: Supervised) -> None:
    before = stack.pids()
    stack.sections = {"crawlers": {"instances": "2", "threads": "2"}}
    stack.configure()
    with busy(stack):
        done = stack.supervisorctl("update")
    assert done.returncode == 0, done.stdout
    changed = {name for name, pid in stack.pids().items() if pid != before[name]}
    assert changed == {"instance4", "instance5", "haproxy-reload"}
    assert done.stdout.index("instance4: in rotation") < done.stdout.index("instance5: draining")


def test_instances_change_groups_and_nobody_notices(stack: Supervised) -> None:
    """One more ordinary instance, so that the first of each group becomes the one before."""
    with busy(stack):
        stack.configure(instances=3)
        done = stack.supervisorctl("update")
        assert done.returncode == 0, done.stdout
        stack.wait_serving()
    assert {name: each.lane for name, each in servers(stack).items()} == {
        "instance1": "zope",
        "instance2": "zope",
        "instance3": "zope",
        "instance4": "zope-rest",
        "instance5": "zope-crawlers",
        "instance6": "zope-crawlers",
    }


#: As the test before leaves it.
OPTIONS = {"groups": GROUPS, "instances": 3}


def test_the_stack_is_not_ready_while_haproxy_has_other_groups(stack: Supervised) -> None:
    for options, loaded in (({"groups": "", "instances": 6}, False), (OPTIONS, True)):
        stack.configure(**options)
        # There is no database here to be ready.
        with pytest.raises(NotReady) as why:
            wait_ready(stack.stack, 0, print)
        assert ("has not loaded the new haproxy.cfg" not in str(why.value)) is loaded


def test_a_group_goes_and_its_requests_become_ordinary(stack: Supervised) -> None:
    with busy(stack):
        stack.configure(groups="", instances=2)
        done = stack.supervisorctl("update")
        assert done.returncode == 0, done.stdout
        stack.wait_serving()
    assert {*servers(stack)} == {"instance1", "instance2"}
    assert "group" not in stack.supervisorctl("stack").stdout.splitlines()[0]
