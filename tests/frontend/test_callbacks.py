"""Pages that fetch another page of their own site, through the balancer."""

from __future__ import annotations

import threading

from tests.frontend.harness import Door

#: Requests at once, many times what the instances can hold.
AT_ONCE = 8


def call_at_once(door: Door) -> list[int]:
    url = f"http://127.0.0.1:{door.ports.http}/inner"
    answers: list[int] = []
    callers = [
        threading.Thread(target=lambda: answers.append(door.get(f"/call?url={url}").status))
        for _ in range(AT_ONCE)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return answers


def test_with_a_lane_of_their_own_all_are_answered() -> None:
    with Door(instances=2, threads=1, callback_instances=1) as door:
        assert call_at_once(door) == [200] * AT_ONCE
        lane = door.stack.lane("callback")[0]
        assert [request["path"] for request in door.seen_by(lane.address.port)] == [
            "/inner"
        ] * AT_ONCE
        assert {request["path"] for request in door.seen()} == {"/call"}


def test_without_it_they_wait_for_each_other_until_their_time_is_up() -> None:
    with Door(instances=2, threads=1, timeout_queue="1s") as door:
        # One whose outer request gave up first may leave its thread to another.
        assert {500, 503} & set(call_at_once(door))


def test_no_visitor_gets_into_the_lane() -> None:
    with Door(instances=1, callback_instances=1) as door:
        claim = {"Zopestack-Lane": "callback"}
        assert door.get("/visitor", claim, source="127.0.0.2").status == 200
        lane = door.stack.lane("callback")[0]
        assert door.seen_by(lane.address.port) == []


def test_nothing_is_left_of_the_mark_for_zope_to_see() -> None:
    with Door(instances=1, callback_instances=1) as door:
        assert (
            "zopestack-lane"
            not in door.get(headers={"Zopestack-Lane": "callback"}).json()["headers"]
        )
