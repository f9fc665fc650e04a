"""Pages that fetch another page of their own site, through the balancer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.polling import until

#: Requests at once, many times what the instances can hold.
AT_ONCE = 8


def call_at_once(door: Door) -> list[int]:
    """Answers to pages that fetch another one when both instances are at work."""
    go, before = door.directory / "go", door.handed()
    path = f"/call?until={go}&url=http://127.0.0.1:{door.ports.http}/deep"
    answers: list[int] = []
    callers = [
        threading.Thread(target=lambda: answers.append(door.get(path).status))
        for _ in range(AT_ONCE)
    ]
    for caller in callers:
        caller.start()
    until("both to be at work", door.handed, lambda handed: handed >= before + 2)
    go.touch()
    for caller in callers:
        caller.join()
    return answers


def test_with_a_lane_of_their_own_all_are_answered(farm: Farm) -> None:
    with farm.door(instances=2, threads=1, callback_instances=1) as door:
        assert call_at_once(door) == [200] * AT_ONCE
        (lane,) = (instance.address.port for instance in door.stack.lane("callback"))
        seen = door.seen()
        assert [request.path for request in seen if request.port == lane] == ["/deep"] * AT_ONCE
        assert [request.path for request in seen if request.port != lane] == ["/call"] * AT_ONCE


def test_without_it_they_wait_for_each_other_until_their_time_is_up(farm: Farm) -> None:
    with farm.door(instances=2, threads=1, timeout_queue="1s") as door:
        # One whose outer request gave up first may leave its thread to another.
        assert {500, 503} & set(call_at_once(door))


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with farm.door(instances=2, callback_instances=1) as running:
        yield running


CLAIM = {"Zopestack-Lane": "callback"}


def test_no_visitor_gets_into_the_lane(door: Door) -> None:
    (lane,) = (instance.address.port for instance in door.stack.lane("callback"))
    assert door.reach("/visitor", CLAIM, source="127.0.0.2").port != lane
    # This machine itself does.
    assert door.reach("/visitor", CLAIM).port == lane


def test_nothing_is_left_of_the_mark_for_zope_to_see(door: Door) -> None:
    assert "zopestack-lane" not in door.reach(headers=CLAIM).headers
