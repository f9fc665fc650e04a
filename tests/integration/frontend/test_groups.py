"""Groups of instances: whose requests go where, and that no group waits for another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.at_work import at_work
from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.holding import BEGINNING, HOST, connected, length
from tests.support.polling import until
from zopestack.haproxy.runtime import Runtime

GROUPS = """
rest = /++api++ /deep/api
crawlers = agent bot Spider
editors = cookie __ac
rest = header Accept json
editors = method PUT
rest = host api.example"""

CRAWLER = {"User-Agent": "Googlebot/2.1"}


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    """One instance for each of the groups, and one for everything else."""
    sections = {"crawlers": {"timeout-queue": "1s", "queue-limit": "2"}}
    options = {"queue_priorities": "on", "affinity": "cookie", "trusted_proxies": "127.0.0.8"}
    with farm.door(sections=sections, instances=1, groups=GROUPS, **options) as running:
        yield running


def group_of(
    door: Door, path: str = "/", headers: dict[str, str] | None = None, **more: str
) -> str:
    """The group whose instance has got a request; empty for the ordinary one."""
    port = door.reach(path, headers, **more).port
    (own,) = (each for each in door.stack.instances if each.address.port == port)
    return door.stack.lane_of(own).group


def figure(door: Door, row: str, column: str) -> int:
    return int(door.figures()[row][column])


def logged(door: Door) -> list[str]:
    return door.log.read_text(encoding="utf-8").splitlines()


@contextmanager
def down(door: Door, server: str) -> Iterator[None]:
    """HAProxy sends nothing to an instance meanwhile."""
    runtime = Runtime(door.stack.haproxy_socket)
    name = server.partition("/")[2]
    runtime.command(f"set server {server} state maint")
    until("it to be out", lambda: not runtime.servers()[name].up)
    try:
        yield
    finally:
        runtime.command(f"set server {server} state ready")
        until("it to be back", lambda: runtime.servers()[name].up)


@pytest.mark.parametrize(
    ("path", "headers", "group"),
    [
        ("/", {}, ""),
        ("/++api++", {}, "rest"),
        ("/++api++/deep?a=b", {}, "rest"),
        ("/%2B%2bapi%2B%2B/deep", {}, "rest"),
        ("/++api++x", {}, ""),
        ("/deep/++api++", {}, ""),
        ("/deep/api/", {}, "rest"),
        ("/", {"User-Agent": "a GoogleBOT/2.1"}, "crawlers"),
        ("/", {"User-Agent": "spider"}, "crawlers"),
        ("/", {"User-Agent": "Mozilla/5.0"}, ""),
        ("/", {"Cookie": "x=y; __ac=user"}, "editors"),
        ("/", {"Cookie": "x__ac=user"}, ""),
        ("/", {"Accept": "text/html, application/JSON"}, "rest"),
        ("/", {"Host": "API.example:8080"}, "rest"),
        ("/", {"Host": "www.api.example"}, ""),
        # The first line that matches.
        ("/++api++", {**CRAWLER, "Cookie": "__ac=user"}, "rest"),
        ("/", {**CRAWLER, "Cookie": "__ac=user"}, "crawlers"),
        ("/", {"Cookie": "__ac=user", "Accept": "json"}, "editors"),
    ],
)
def test_the_first_line_that_matches_has_it(
    door: Door, path: str, headers: dict[str, str], group: str
) -> None:
    assert group_of(door, path, headers) == group


def test_a_method_has_a_group(door: Door) -> None:
    assert group_of(door, method="PUT") == "editors"
    assert group_of(door, method="POST") == ""


def test_a_proxy_that_rewrites_paths_may_have_put_a_groups_path_in_front(door: Door) -> None:
    """As Volto's documentation has nginx do it."""
    root = "/VirtualHostBase/https/www.example.com/deep"
    volto = f"{root}/++api++/VirtualHostRoot/news"
    assert group_of(door, volto, source="127.0.0.8") == "rest"
    assert group_of(door, f"{root}/VirtualHostRoot/++api++", source="127.0.0.8") == "rest"
    assert group_of(door, f"{root}/VirtualHostRoot/news", source="127.0.0.8") == ""


@pytest.mark.parametrize(
    ("holder", "lane", "other"),
    [(CRAWLER, "zope-crawlers", {}), ({}, "zope", CRAWLER)],
    ids=["crawlers", "ordinary"],
)
def test_while_one_group_is_held_another_is_answered(
    door: Door, holder: dict[str, str], lane: str, other: dict[str, str]
) -> None:
    """One request has the only thread, another waits for it."""
    with at_work(door, 2, holder) as answers:
        until("one to wait", lambda: figure(door, f"{lane}/BACKEND", "qcur") == 1)
        assert door.get("/", other).status == 200
        assert door.get("/++api++/sized?bytes=1").status != 503
        assert answers == []
        assert figure(door, f"{lane}/BACKEND", "qcur") == 1


def test_the_queue_of_a_group_has_its_own_length_and_time(door: Door) -> None:
    with at_work(door, 3, CRAWLER) as answers:
        until("two to wait", lambda: figure(door, "zope-crawlers/BACKEND", "qcur") == 2)
        # One more than queue-limit.
        with at_work(door, 1, CRAWLER) as more:
            until("one more to wait", lambda: figure(door, "zope-crawlers/BACKEND", "qcur") == 3)
            refused = door.get("/refused", CRAWLER)
            assert refused.status == 503
            # At once: it was in no queue.
            (line,) = until("the log", lambda: [x for x in logged(door) if " /refused " in x])
            assert "status=503 queue=-1 " in line
            assert b"back in a moment" in refused.body
            # Those that wait get 503 after their second; the thread is still held.
            until("them to be told", lambda: len(answers) + len(more) == 3)
            assert {each.status for each in (*answers, *more)} == {503}


def test_a_slot_of_a_group_that_a_client_holds_is_lent_to_the_next(door: Door) -> None:
    """As in the ordinary lane: ``slots.lua`` asks the group's instance."""
    request = b"POST / HTTP/1.1\r\nUser-Agent: bot\r\n" + HOST + length(99999) + b"\r\n"
    with ExitStack() as stack:
        for _ in range(3):
            connected(door, stack).sendall(request + BEGINNING)
        until("the slot to be held", lambda: door.in_progress() >= 1)
        assert door.get("/", CRAWLER).status == 200
    until("the slot to be back", lambda: figure(door, "zope-crawlers/instance3", "slim") == 1)


def test_the_requests_of_a_group_that_is_down_wait_behind_others(door: Door) -> None:
    with down(door, "zope-rest/instance2"):
        assert group_of(door, "/++api++") == ""
        # The next line that matches.
        assert group_of(door, "/++api++", {"Cookie": "__ac=user"}) == "editors"
        door.seen()
        with at_work(door):
            until("it to be at work", door.seen)
            threads = []
            for path in ("/++api++/first", "/second"):
                threads.append(threading.Thread(target=door.get, args=(path,)))
                threads[-1].start()
                waiting = len(threads)
                until("it to wait", lambda n=waiting: figure(door, "zope/BACKEND", "qcur") == n)
        for thread in threads:
            thread.join()
        assert [each.path for each in door.seen()] == ["/second", "/++api++/first"]
    assert group_of(door, "/++api++") == "rest"


def test_a_browser_has_a_preferred_server_in_each_group(door: Door) -> None:
    cookies = [
        str(door.get(path).headers["set-cookie"]).partition(";")[0] for path in ("/", "/++api++")
    ]
    assert cookies == ["ZOPESTACK=instance1", "ZOPESTACK-rest=instance2"]
    both = {"Cookie": "; ".join(cookies)}
    assert [door.get(path, both).headers["set-cookie"] for path in ("/", "/++api++")] == [
        None,
        None,
    ]
