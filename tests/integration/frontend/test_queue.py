"""Requests that wait: how many, how long, and who goes first."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.at_work import at_work, release
from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.fetch import Response
from tests.support.harness import until
from tests.support.http2 import Connection
from zopestack.features.instances import Instance
from zopestack.supervisor.health import ask


@contextmanager
def draining(instance: Instance) -> Iterator[None]:
    """It takes no new requests meanwhile."""
    report = ask(instance)
    assert report
    os.kill(report.pid, signal.SIGUSR1)
    try:
        yield
    finally:
        os.kill(report.pid, signal.SIGUSR2)
        until("it to serve again", lambda: ask(instance), lambda now: now and now.healthy)


@contextmanager
def all_busy(door: Door) -> Iterator[None]:
    """Every thread of every instance is in a request."""
    number = door.stack.threads
    with at_work(door, number):
        until("all to be busy", lambda: sum(s.current for s in door.servers().values()) == number)
        yield


def waiting(
    door: Door,
    answers: list[Response],
    path: str,
    headers: Mapping[str, str],
    source: str | None = None,
) -> None:
    """One more request in the queue."""
    before = queue(door)
    thread = threading.Thread(target=lambda: answers.append(door.get(path, headers, source=source)))
    thread.start()
    until("it to wait", lambda: queue(door) == before + 1)


def queue(door: Door) -> int:
    """Requests that wait for any instance."""
    return int(door.figures()["zope/BACKEND"]["qcur"])


def test_a_request_that_has_waited_too_long_gets_503(farm: Farm) -> None:
    with farm.door(instances=1, timeout_queue="1s") as door, all_busy(door):
        assert door.get().status == 503


def test_a_request_that_zope_does_not_answer_in_time_gets_504(farm: Farm) -> None:
    with farm.door(instances=1, timeout_server="1s") as door:
        assert door.get("/sized?bytes=1&seconds=2").status == 504
        # The only thread goes on with what nobody waits for.
        until("the next page", lambda: door.get("/sized?bytes=1").status, (200).__eq__)


def test_a_queue_that_is_full_turns_the_next_one_away_at_once(farm: Farm) -> None:
    with farm.door(instances=1, queue_limit=2) as door:
        answers: list[Response] = []
        with all_busy(door):
            for _ in range(3):
                waiting(door, answers, "/", {})
            refused = door.get()
            assert refused.status == 503
            assert refused.headers["retry-after"] == "5"
            assert b"back in a moment" in refused.body
        until("the others to be served", lambda: [a.status for a in answers] == [200] * 3)


LEAVER = (
    (":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/leaver"),
)  # fmt: skip


def has_answered(instance: Instance) -> bool:
    """Whether there is something of it that HAProxy has not read yet (proc(5), /proc/net/tcp)."""
    port = f":{instance.address.port:04X}"
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        remote.endswith(port) and int(waiting[9:], 16) for _, _, remote, _, waiting, *_ in sockets
    )


def test_who_leaves_when_his_turn_comes_does_not_take_it_along(farm: Farm, program: Path) -> None:
    """HAProxy sees both at once, as when it is busy; 2.6.12 then forgets who is next."""
    door = farm.door(
        instances=1, haproxy=program, tls_certificate="self-signed", http_redirect="off"
    )
    door.set(https_address=f"127.0.0.1:{door.https}")
    with door, Connection(door.connect(secure=True, protocol="h2")) as leaver:
        answers: list[Response] = []
        with all_busy(door):
            stream = leaver.send(LEAVER)
            until("it to wait", lambda: queue(door) == 1)
            waiting(door, answers, "/", {})
            with door.held_up():
                release(door).touch()
                until("an answer", lambda: has_answered(door.stack.instances[0]))
                leaver.take_back(stream)
        until("the other to be answered", lambda: answers)
        assert [answer.status for answer in answers] == [200]


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
def test_who_goes_first(farm: Farm, option: str, served: list[str]) -> None:
    with farm.door(instances=1, queue_priorities=option) as door:
        answers: list[Response] = []
        with all_busy(door):
            for path, headers in (
                ("/crawler", CRAWLER), ("/visitor", {}), ("/editor", LOGGED_IN), ("/basic", BASIC),
            ):  # fmt: skip
                waiting(door, answers, path, headers)
        until("all to be served", lambda: len(answers) == 4)
        assert [seen.path for seen in door.seen() if seen.path != "/hold"] == served


#: Another client, and one that asks for more than its share; unlike 127.0.0.1 they are counted.
OTHER, GREEDY = "127.0.0.3", "127.0.0.2"


@pytest.mark.parametrize("option", ["on", "off"])
def test_one_client_cannot_keep_everybody_else_out(farm: Farm, option: str) -> None:
    """Not by many requests, and not by claiming to be logged in."""
    with farm.door(instances=1, queue_priorities=option) as door:
        answers: list[Response] = []
        with all_busy(door):
            for number in range(12):
                waiting(door, answers, f"/greedy{number}", LOGGED_IN, GREEDY)
            waiting(door, answers, "/other", {}, OTHER)
        until("all to be served", lambda: len(answers) == 13)
        served = [seen.path for seen in door.seen() if seen.path != "/hold"]
        # Its share is 6.
        assert served.index("/other") == 6


def preferred(door: Door, path: Callable[[int], str], headers: Mapping[str, str]) -> set[int]:
    """The ports of the instances that twelve requests reached."""
    return {door.reach(path(number), headers).port for number in range(12)}


def test_without_affinity_requests_go_anywhere(farm: Farm) -> None:
    with farm.door(instances=4) as door:
        assert len(preferred(door, lambda _: "/same", LOGGED_IN)) > 1


def test_a_cookie_leads_back_to_the_same_instance(farm: Farm) -> None:
    with farm.door(instances=4, affinity="cookie") as door:
        answer = door.get()
        cookie = answer.headers["set-cookie"]
        name, _, attributes = cookie.partition("; ")
        assert name.startswith("ZOPESTACK=instance")
        assert attributes == "Path=/; HttpOnly; SameSite=Lax"
        assert "private" in answer.headers.get_all("cache-control")
        mine = {"Cookie": cookie.partition(";")[0]}
        assert len(preferred(door, lambda n: f"/{n}", mine)) == 1
        assert "set-cookie" not in door.get("/", mine).headers
        for forged in ("instance9", "", "../..", '"instance1"', "a" * 4000):
            gone = door.get("/", {"Cookie": f"ZOPESTACK={forged}"})
            assert gone.status == 200
            assert "set-cookie" in gone.headers


def test_the_cookie_outlives_a_change_of_instances(farm: Farm) -> None:
    with farm.door(instances=2, affinity="cookie") as two:
        mine = {"Cookie": "ZOPESTACK=instance2"}
        before = preferred(two, lambda n: f"/{n}", mine)
    with farm.door(instances=4, affinity="cookie") as four:
        assert preferred(four, lambda n: f"/{n}", mine) == before
        assert "set-cookie" not in four.get("/", mine).headers
    with farm.door(instances=1, affinity="cookie") as one:
        assert one.get("/", mine).headers["set-cookie"].startswith("ZOPESTACK=instance1;")


def test_over_https_the_cookie_is_never_sent_in_the_clear(farm: Farm) -> None:
    door = farm.door(affinity="cookie", tls_certificate="self-signed", http_redirect="off")
    door.set(https_address=f"127.0.0.1:{door.https}")
    with door:
        cookie = door.get(secure=True).headers["set-cookie"]
        assert cookie.endswith("; SameSite=Lax; Secure")
        assert door.get().headers["set-cookie"].endswith("; SameSite=Lax")


def test_a_user_is_led_to_one_instance_and_others_anywhere(farm: Farm) -> None:
    with farm.door(instances=4, affinity="authenticated") as door:
        assert len(preferred(door, lambda n: f"/{n}", LOGGED_IN)) == 1
        assert len(preferred(door, lambda n: f"/{n}", BASIC)) == 1
        assert len(preferred(door, lambda n: f"/{n}", {})) > 1


def test_a_path_is_served_by_one_instance_and_other_paths_by_others(farm: Farm) -> None:
    with farm.door(instances=4, affinity="path") as door:
        assert len(preferred(door, lambda _: "/same", {})) == 1
        assert len(preferred(door, lambda n: f"/{n}", {})) > 1


@pytest.mark.parametrize("affinity", ["cookie", "authenticated", "path"])
def test_a_draining_preferred_server_is_passed_over(farm: Farm, affinity: str) -> None:
    with farm.door(instances=2, affinity=affinity) as door:
        cookie = {"Cookie": "ZOPESTACK=instance1; __ac=user"}
        port = door.reach("/deep", cookie).port
        preferred = next(i for i in door.stack.instances if i.address.port == port)
        with draining(preferred):
            until("HAProxy to see it", lambda: not door.servers()[preferred.name].up)
            other = {door.reach("/deep", cookie).port for _ in range(5)}
            assert len(other) == 1
            assert port not in other


@pytest.mark.parametrize("affinity", ["cookie", "authenticated", "path"])
def test_a_busy_preferred_server_is_passed_over(farm: Farm, affinity: str) -> None:
    with farm.door(instances=2, affinity=affinity) as door:
        cookie = {"Cookie": "ZOPESTACK=instance1; __ac=user"}

        def current() -> list[int]:
            return [each.current for each in door.servers().values()]

        with at_work(door, 1, cookie):
            until("it to be busy", lambda: sum(current()) == 1)
            with at_work(door, 1, cookie):
                until("the other to be busy", lambda: current() == [1, 1])
