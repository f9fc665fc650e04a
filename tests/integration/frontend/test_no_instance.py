"""Requests while no instance may get any: they wait for one, but not for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.integration.frontend.test_queue import draining
from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.fetch import Response
from tests.support.harness import until


@contextmanager
def none_serves(door: Door) -> Iterator[None]:
    """Every instance drains meanwhile."""
    with ExitStack() as drained:
        for instance in door.stack.instances:
            drained.enter_context(draining(instance))
        until("HAProxy to see it", lambda: not any(each.up for each in door.servers().values()))
        yield


def in_progress(door: Door) -> int:
    """Requests that HAProxy has, in its queue or not."""
    return int(door.figures()["zope/BACKEND"]["scur"])


def one_more(door: Door, answers: list[Response]) -> None:
    """A request that waits."""
    before = in_progress(door)
    threading.Thread(target=lambda: answers.append(door.get())).start()
    until("it to wait", lambda: in_progress(door) == before + 1)


def test_a_request_waits_for_an_instance(farm: Farm) -> None:
    answers: list[Response] = []
    with farm.door(timeout_queue="10m") as door:
        with none_serves(door):
            one_more(door, answers)
        until("an answer", lambda: answers)
    assert answers[0].status == 200


def test_no_longer_than_it_may_wait_for_a_thread(farm: Farm) -> None:
    with farm.door(timeout_queue="1s") as door, none_serves(door):
        refused = door.get()
    assert refused.status == 503
    assert refused.headers["retry-after"] == "5"
    assert b"back in a moment" in refused.body


def test_no_more_of_them_than_may_wait_for_a_thread(farm: Farm) -> None:
    answers: list[Response] = []
    with farm.door(timeout_queue="10m", queue_limit=2) as door:
        with none_serves(door):
            one_more(door, answers)
            one_more(door, answers)
            assert door.get().status == 503
            assert answers == []
        until("the others to be served", lambda: [each.status for each in answers] == [200] * 2)
