"""Requests that wait: how many, how long, and who goes first."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from tests.frontend.harness import Answer, Door
from tests.stack.harness import until
from zopestack.agents import ask


@contextmanager
def all_busy(door: Door) -> Iterator[None]:
    """Every thread of every instance is in a request."""
    release = door.directory / "release"
    threads = [
        threading.Thread(target=door.get, args=(f"/hold?until={release}",))
        for _ in range(door.stack.threads)
    ]
    for thread in threads:
        thread.start()
    until("all to be busy", lambda: sum(s.current for s in door.servers().values()) == len(threads))
    try:
        yield
    finally:
        release.touch()
        for thread in threads:
            thread.join()
        release.unlink()


def waiting(door: Door, answers: list[Answer], path: str, headers: Mapping[str, str]) -> None:
    """One more request in the queue."""
    before = queue(door)
    thread = threading.Thread(target=lambda: answers.append(door.get(path, headers)))
    thread.start()
    until("it to wait", lambda: queue(door) == before + 1)


def queue(door: Door) -> int:
    """Requests that wait for any instance."""
    return int(door.figures()["zope/BACKEND"]["qcur"])


def test_a_request_that_has_waited_too_long_gets_503() -> None:
    with Door(instances=1, timeout_queue="1s") as door, all_busy(door):
        assert door.get().status == 503


def test_a_queue_that_is_full_turns_the_next_one_away_at_once() -> None:
    with Door(instances=1, queue_limit=2) as door:
        answers: list[Answer] = []
        with all_busy(door):
            for _ in range(3):
                waiting(door, answers, "/", {})
            refused = door.get()
            assert refused.status == 503
            assert refused.headers["retry-after"] == "5"
            assert b"back in a moment" in refused.body
        until("the others to be served", lambda: [a.status for a in answers] == [200] * 3)


LOGGED_IN = {"Cookie": "a=b; __ac=user"}
CRAWLER = {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}
BASIC = {"Authorization": "Basic YTpi"}


@pytest.mark.parametrize(
    ("option", "served"),
    [
        ("on", ["/editor", "/basic", "/visitor", "/crawler"]),
        ("off", ["/crawler", "/visitor", "/editor", "/basic"]),
    ],
)
def test_who_goes_first(option: str, served: list[str]) -> None:
    with Door(instances=1, queue_priorities=option) as door:
        answers: list[Answer] = []
        with all_busy(door):
            for path, headers in (
                ("/crawler", CRAWLER), ("/visitor", {}), ("/editor", LOGGED_IN), ("/basic", BASIC),
            ):  # fmt: skip
                waiting(door, answers, path, headers)
        until("all to be served", lambda: len(answers) == 4)
        assert [seen["path"] for seen in door.seen() if seen["path"] != "/hold"] == served


def favourites(door: Door, path: Callable[[int], str], headers: Mapping[str, str]) -> set[int]:
    """The instances that served twelve requests."""
    for number in range(12):
        assert door.get(path(number), headers).status == 200
    return {
        number
        for number, instance in enumerate(door.stack.instances)
        if door.seen_by(instance.address.port)
    }


def test_without_affinity_requests_go_anywhere() -> None:
    with Door(instances=4) as door:
        assert len(favourites(door, lambda _: "/same", LOGGED_IN)) > 1


def test_a_cookie_leads_back_to_the_same_instance() -> None:
    with Door(instances=4, affinity="cookie") as door:
        cookie = door.get().headers["set-cookie"]
        assert cookie.startswith("ZOPESTACK=instance")
        assert "HttpOnly" in cookie
        door.seen()
        mine = {"Cookie": cookie.partition(";")[0]}
        assert len(favourites(door, lambda n: f"/{n}", mine)) == 1
        assert "set-cookie" not in door.get("/", mine).headers
        gone = door.get("/", {"Cookie": "ZOPESTACK=instance9"})
        assert gone.status == 200
        assert "set-cookie" in gone.headers


def test_a_user_is_led_to_one_instance_and_others_anywhere() -> None:
    with Door(instances=4, affinity="authenticated") as door:
        assert len(favourites(door, lambda n: f"/{n}", LOGGED_IN)) == 1
        assert len(favourites(door, lambda n: f"/{n}", BASIC)) == 1
        assert len(favourites(door, lambda n: f"/{n}", {})) > 1


def test_a_path_is_served_by_one_instance_and_other_paths_by_others() -> None:
    with Door(instances=4, affinity="path") as door:
        assert len(favourites(door, lambda _: "/same", {})) == 1
        assert len(favourites(door, lambda n: f"/{n}", {})) > 1


@pytest.mark.parametrize("affinity", ["cookie", "authenticated", "path"])
def test_a_draining_favourite_is_passed_over(affinity: str) -> None:
    with Door(instances=2, affinity=affinity) as door:
        cookie = {"Cookie": "ZOPESTACK=instance1; __ac=user"}
        door.get("/same", cookie)
        favourite = next(i for i in door.stack.instances if door.seen_by(i.address.port))
        report = ask(favourite)
        assert report
        os.kill(report.pid, signal.SIGUSR1)
        until("HAProxy to see it", lambda: not door.servers()[favourite.name].up)
        assert {door.get("/same", cookie).status for _ in range(5)} == {200}
        assert door.seen_by(favourite.address.port) == []


@pytest.mark.parametrize("affinity", ["cookie", "authenticated", "path"])
def test_a_busy_favourite_is_passed_over(affinity: str) -> None:
    with Door(instances=2, affinity=affinity) as door:
        release = door.directory / "release"
        cookie = {"Cookie": "ZOPESTACK=instance1; __ac=user"}
        path = f"/hold?until={release}"
        busy = threading.Thread(target=door.get, args=(path, cookie))
        busy.start()
        until("it to be busy", lambda: sum(s.current for s in door.servers().values()) == 1)
        other = threading.Thread(target=door.get, args=(path, cookie))
        other.start()
        until(
            "the other to be busy", lambda: [s.current for s in door.servers().values()] == [1, 1]
        )
        release.touch()
        busy.join()
        other.join()
