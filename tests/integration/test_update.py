"""``supervisorctl update`` on a busy site: whatever has been edited, no visitor loses anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.polling import until
from tests.support.supervised import Supervised
from tests.support.visitor import Visitors
from zopestack.features.timings import Timings
from zopestack.haproxy.runtime import Place, Runtime


@pytest.fixture(scope="module")
def shared() -> Iterator[Supervised]:
    """Three instances that serve."""
    timings = Timings(stop=1, check_interval=0.2)
    with Supervised(timings=timings, instances=3, stop_grace="5s") as running:
        running.start()
        yield running


@pytest.fixture
def stack(shared: Supervised) -> Supervised:
    """The same, serving."""
    shared.wait_serving()
    return shared


@contextmanager
def busy(stack: Supervised) -> Iterator[None]:
    """Visitors are there in the block, and none of them gets an error."""
    with Visitors(stack.stack.balancer.local_address) as visitors:
        yield
        served = visitors.served
        until("more visits", lambda: visitors.served > served)
    assert visitors.failures == []


def update(stack: Supervised, **options: object) -> tuple[str, set[str]]:
    """Edit and apply; what is said, and which programs have another process."""
    before = stack.pids()
    stack.configure(**options)
    done = stack.supervisorctl("update")
    assert done.returncode == 0, done.stdout
    after = stack.pids()
    return done.stdout, {name for name in after if after[name] != before.get(name)}


def test_instances_are_restarted_one_at_a_time(stack: Supervised) -> None:
    with busy(stack):
        said, changed = update(stack, threads=2)
    assert changed == {"instance1", "instance2", "instance3", "haproxy-reload"}
    steps = [
        said.index(f"{name}: {step}")
        for name in ("instance1", "instance2", "instance3")
        for step in ("draining", "in rotation")
    ]
    assert steps == sorted(steps)
    until("the new limit", lambda: Runtime(stack.stack.haproxy_socket).servers())
    assert update(stack, threads=2) == ("nothing has changed\n", set())


def test_instances_that_move_are_found_at_their_new_addresses(stack: Supervised) -> None:
    with busy(stack):
        update(stack, base_port=stack.ports.base + 10, agent_base_port=stack.ports.base + 30)
        stack.wait_serving()
    (place, *_) = Runtime(stack.stack.haproxy_socket).places().values()
    assert place == Place("zope", "127.0.0.1", stack.ports.base + 10, stack.ports.base + 30)


@pytest.mark.parametrize(("instances", "threads"), [(1, 1), (2, 2), (3, 1)])
def test_another_number_of_instances_and_threads_at_once(
    stack: Supervised, instances: int, threads: int
) -> None:
    """The only instance is restarted while the second one still serves, or already does."""
    with busy(stack):
        said, _ = update(stack, instances=instances, threads=threads)
        assert "visitors wait" not in said
        stack.wait_serving()


def test_the_only_instance_is_restarted_and_that_is_said(stack: Supervised) -> None:
    update(stack, instances=1)
    said, changed = update(stack, hung_after="7m")
    assert "instance1 is the only one: visitors wait until it serves again" in said
    assert "instance1" in changed
    update(stack, instances=3)


def test_a_mistake_takes_one_instance_only_and_is_mended_by_the_same_command(
    stack: Supervised,
) -> None:
    before = stack.pids()
    with busy(stack):
        stack.configure(hung_after="8m")
        script = stack.stack.bin / "instance1"
        works = script.read_text()
        script.write_text("#!/bin/sh\nexit 1\n")
        done = stack.supervisorctl("update")
        assert done.returncode == 1
        assert "instance1 did not start" in done.stdout
        assert stack.pids()["instance2"] == before["instance2"]
        script.write_text(works)
        _, changed = update(stack, hung_after="9m")
    # The broken one was first again, so that the others could go.
    assert {"instance1", "instance2", "instance3"} <= changed


def test_an_option_of_haproxys_restarts_no_instance(stack: Supervised) -> None:
    with busy(stack):
        assert update(stack, nbthread=2)[1] == {"haproxy-reload"}
    unknown = stack.supervisorctl("update", "instance9")
    assert unknown.returncode == 1
    assert "instance9: no such program" in unknown.stdout
