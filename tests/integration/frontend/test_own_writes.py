"""A client who has saved something sees it, whichever instance answers.

instance2 hears of ZEO through a relay. While that holds back what ZEO says, instance2 knows of
nothing that was saved at instance1: the race that else happens now and then happens every time.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.fetch import Response, fetch
from tests.support.polling import until
from zopestack.haproxy.runtime import Runtime

#: Addresses of clients; each test has its own.
clients = (f"127.0.2.{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def door(farm: Farm, program: object) -> Iterator[Door]:
    with farm.door(instances=2, haproxy=program, static_cache="1MB") as running:
        yield running


@dataclass
class Race:
    """What one client saves at instance1 and reads at instance2, which has not heard of it."""

    farm: Farm
    door: Door
    client: str = field(default_factory=lambda: next(clients))
    text: str = field(default_factory=lambda: uuid.uuid4().hex)

    def only(self, name: str) -> None:
        """HAProxy sends requests to this instance only."""
        for each in self.door.stack.instances:
            weight = "100%" if each.name == name else "0%"
            Runtime(self.door.stack.haproxy_socket).command(f"set weight zope/{each.name} {weight}")

    def save(self, method: str = "POST", query: str = "") -> None:
        self.only("instance1")
        path = f"/note?text={self.text}{query}"
        answer = self.door.get(path, method=method, source=self.client)
        assert answer.text == "kept"
        assert "zopestack-committed" not in answer.headers
        self.only("instance2")

    def read(self, query: str = "") -> Response:
        return self.door.get(f"/noted?x{query}", source=self.client)

    def is_seen(self, read: Callable[[], Response]) -> bool:
        """Whether who reads waits for what was saved, and sees it."""
        seen: list[str] = []
        relay = self.farm.relay
        asked = relay.asked
        reader = threading.Thread(target=lambda: seen.append(read().text))
        reader.start()
        until("the instance to ask ZEO, or to answer", lambda: relay.asked > asked or seen)
        self.release()
        reader.join()
        return seen == [self.text]

    def release(self) -> None:
        """Let instance2 hear what it has missed."""


@pytest.fixture
def race(farm: Farm, door: Door) -> Iterator[Race]:
    with race_at(farm, door) as found:
        yield found


@contextmanager
def race_at(farm: Farm, door: Door, held: bytes = b"") -> Iterator[Race]:
    found = Race(farm, door)
    # Both instances have read everything that the pages need.
    for instance in door.stack.instances:
        for query in ("", "?of=mounted"):
            fetch(instance.address, f"/noted{query}")
    hold = farm.relay.held(held)
    hold.__enter__()
    found.release = lambda: hold.__exit__(None, None, None)
    try:
        yield found
    finally:
        with suppress(RuntimeError, StopIteration):
            found.release()
        for instance in door.stack.instances:
            Runtime(door.stack.haproxy_socket).command(f"set weight zope/{instance.name} 100%")


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_what_a_client_has_saved_is_seen_at_the_next_instance(race: Race, method: str) -> None:
    race.save(method)
    assert race.is_seen(race.read)


def test_it_is_seen_in_a_mounted_database_too(farm: Farm, door: Door) -> None:
    with race_at(farm, door, held=b"mounted") as race:
        race.save(query="&of=mounted")
        assert race.is_seen(lambda: race.read("&of=mounted"))


def test_who_has_not_written_does_not_wait_for_zeo(race: Race) -> None:
    race.save()
    race.client = next(clients)
    assert race.read().text not in ("", race.text)


def test_a_client_cannot_pass_for_one_who_only_reads(race: Race) -> None:
    race.save()
    forged = {"Zopestack-Reader": "1", "Zopestack_Reader": "1"}
    assert race.is_seen(lambda: race.door.get("/noted", forged, source=race.client))


def test_at_the_instance_itself_everybody_sees_everything(race: Race) -> None:
    race.save()
    assert race.is_seen(lambda: fetch(race.door.stack.instances[1].address, "/noted"))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_method_that_may_change_something_marks_its_client(door: Door, method: str) -> None:
    source = next(clients)
    assert "zopestack-reader" in door.reach("/", source=source).headers
    door.get("/", method=method, source=source)
    assert "zopestack-reader" not in door.reach("/", source=source).headers


def test_the_cache_of_haproxy_is_not_for_who_has_written(door: Door) -> None:
    reader, writer = next(clients), next(clients)
    door.get("/cached", source=reader)
    door.seen()
    assert door.get("/cached", source=reader).status == 200
    assert not door.seen()
    door.get("/", method="POST", source=writer)
    assert door.reach("/cached", source=writer).path == "/cached"


def test_a_reload_of_haproxy_forgets_nobody(farm: Farm, door: Door) -> None:
    def settled() -> bool:
        """Whether HAProxy no longer waits for tables of one before it, as it does for 5 s."""
        return "resync_timeout=<PAST>" in Runtime(door.stack.haproxy_socket).command("show peers")

    with race_at(farm, door) as race:
        race.save()
        until("HAProxy to have its tables", settled)
        door.reload()
        race.only("instance2")
        assert race.is_seen(race.read)


def test_behind_a_proxy_each_client_has_his_own_mark(farm: Farm, program: object) -> None:
    options = {"instances": 2, "haproxy": program, "trusted_proxies": "127.0.0.8"}
    with farm.door(**options) as door, race_at(farm, door) as race:

        def noted(client: str, **options: str) -> Response:
            path = options.pop("path", "/noted")
            return door.get(path, {"X-Forwarded-For": client}, source="127.0.0.8", **options)

        race.only("instance1")
        noted("192.0.2.1", path=f"/note?text={race.text}", method="POST")
        race.only("instance2")
        assert noted("192.0.2.2").text != race.text
        assert race.is_seen(lambda: noted("192.0.2.1"))
