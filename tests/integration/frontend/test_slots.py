"""An instance's slot is held as long as its thread, and no longer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from tests.support.at_work import at_work
from tests.support.door import Door, statuses
from tests.support.farm import STREAM, Farm
from tests.support.holding import HOLDER, multiplexed, pseudo
from tests.support.polling import until
from zopestack.features.timings import Timings
from zopestack.haproxy.runtime import Runtime

READERS = 40

#: As in ``timings.Sizes``: slots that an instance lends at most.
LENT = 80

#: What concurrent-requests-per-address is by default.
ITS = 64

#: Of one connection of HTTP/2.
STREAMS = 30


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with farm.door(instances=2, threads=1) as running:
        yield running


def slow_reader(door: Door, path: str = "/stream") -> socket.socket:
    """A client that asks for 5 MB and takes only a little of it."""
    reader = door.connect()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
    return reader


def test_slow_readers_do_not_keep_a_page_from_being_served(door: Door) -> None:
    with ExitStack() as held:
        readers = [held.enter_context(slow_reader(door)) for _ in range(READERS)]
        for reader in readers:
            # Each has been let in: its response has begun.
            assert reader.recv(12) == b"HTTP/1.1 200"
        for _ in range(20):
            assert door.get().status == 200
            for reader in readers:
                reader.recv(1000)
        assert sum(server.queued for server in door.servers().values()) == 0
    door.wait_for_slots()


def test_a_page_goes_to_the_free_thread_however_many_are_reading(door: Door) -> None:
    release = door.directory / "release"
    answers: list[int] = []
    with ExitStack() as held:
        for _ in range(5):
            reader = held.enter_context(slow_reader(door))
            assert reader.recv(12) == b"HTTP/1.1 200"
        busy = threading.Thread(
            target=lambda: answers.append(door.get(f"/hold?until={release}").status)
        )
        busy.start()
        until("one to be busy", lambda: door.in_progress() == 6)
        # None of these waits inside the busy instance.
        assert {door.get().status for _ in range(20)} == {200}
        assert answers == []
        release.touch()
        busy.join()
    assert answers == [200]


def test_a_download_arrives_whole_and_its_end_takes_the_slot_back(door: Door) -> None:
    answer = door.get("/stream")
    assert len(answer.body) == STREAM
    door.wait_for_slots()


def test_a_head_of_a_download_leaves_the_slots_alone(door: Door) -> None:
    answer = door.get("/Plone/stream", method="HEAD")
    assert answer.headers["content-length"] == str(STREAM)
    door.wait_for_slots()


def test_readers_who_leave_give_the_slots_back(door: Door) -> None:
    for _ in range(10):
        with slow_reader(door) as reader:
            assert reader.recv(12) == b"HTTP/1.1 200"
    door.wait_for_slots()


def test_an_instance_delivers_no_more_than_it_has_connections_for(farm: Farm) -> None:
    with farm.door(instances=1, timeout_queue="1s") as one, ExitStack() as held:
        for _ in range(1 + LENT):
            reader = held.enter_context(slow_reader(one))
            assert reader.recv(12) == b"HTTP/1.1 200"
        assert one.get().status == 503
        assert max(one.limits()) <= 1 + LENT


def test_threads_count(farm: Farm) -> None:
    with farm.door(first=4, instances=1, threads=2) as two, ExitStack() as held:
        for _ in range(5):
            reader = held.enter_context(slow_reader(two))
            assert reader.recv(12) == b"HTTP/1.1 200"

        def lent() -> list[int]:
            # Nothing is lent for long unless somebody waits now and then.
            assert statuses(two.raw(b"GET / HTTP/1.0\r\n\r\n")) == (200,)
            return two.limits()

        until("both threads to be lent to", lent, lambda now: now == [5 + 2])


def test_one_client_cannot_hold_all_that_an_instance_lends(farm: Farm) -> None:
    """Over one connection of HTTP/2, or over many."""
    made = farm.door(instances=1, tls_certificate="self-signed", http_redirect="off")
    made.set(https_address=f"127.0.0.1:{made.https}")
    with made as one, ExitStack() as held:
        for _ in range(5):
            client = multiplexed(one, held)
            for _ in range(STREAMS):
                client.send(pseudo("GET", "/stream"))
        until("as many as one client may have", lambda: one.in_progress(), lambda now: now == ITS)
        assert one.get(source="127.0.0.3").status == 200
        assert one.get(source=HOLDER).status == 429
        assert max(one.limits()) < 1 + LENT


def test_a_silent_site_is_looked_at_seldom_until_somebody_comes(farm: Farm) -> None:
    made = farm.door(instances=2)
    made.timings = Timings(look=0.005, look_quiet=0.5, quiet=0.1)
    with made as door:
        worker = psutil.Process(Runtime(door.stack.haproxy_socket).worker())

        def looks() -> int:
            """How often it has woken in a twentieth of a second."""
            before = worker.num_ctx_switches().voluntary
            time.sleep(0.05)
            return worker.num_ctx_switches().voluntary - before

        until("it to look seldom", looks, lambda often: often < 5)
        with at_work(door):
            until("it to look often", looks, lambda often: often >= 5)


def abandon(door: Door, path: str) -> None:
    """A client asks for a page, and has gone when a thread works on it."""
    with door.connect() as leaver:
        leaver.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until("it to be worked on", lambda: sum(door.busy()) == 1)
    until("HAProxy to have forgotten it", door.in_progress, lambda now: now == 0)


def test_who_leaves_does_not_leave_his_thread_to_the_next(farm: Farm) -> None:
    """HAProxy has forgotten the request, and the thread goes on with it."""
    with farm.door(instances=2) as door:
        release = door.directory / "release"
        abandon(door, f"/hold?until={release}")
        left = door.busy().index(1)
        until("it to be given no more", lambda: door.rows()[left]["weight"] == "0")
        other = door.stack.instances[1 - left]
        assert {door.reach().port for _ in range(10)} == {other.address.port}
        release.touch()
        until("it to be open again", lambda: [r["weight"] for r in door.rows()] == ["1", "1"])
        assert door.limits() == [1, 1]


def test_a_closed_instance_takes_over_when_the_last_open_one_goes(farm: Farm) -> None:
    """As in a roll, which drains one just when the other is closed."""
    made = farm.door(instances=2)
    made.timings = Timings(look_closed=0.5)
    with made as door:
        release = door.directory / "release"
        abandon(door, f"/hold?until={release}")
        left = door.busy().index(1)
        until("it to be given no more", lambda: door.rows()[left]["weight"] == "0")
        other = door.stack.instances[1 - left].name
        Runtime(door.stack.haproxy_socket).command(f"set server zope/{other} state drain")
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(door.get().status))
        asking.start()
        until("it to be open again", lambda: door.rows()[left]["weight"] == "1")
        release.touch()
        asking.join()
        assert answers == [200]


def test_the_last_instance_is_never_closed(farm: Farm) -> None:
    with farm.door(instances=1) as door:
        release = door.directory / "release"
        abandon(door, f"/hold?until={release}")
        answers: list[int] = []
        waiting = threading.Thread(target=lambda: answers.append(door.get().status))
        waiting.start()
        until("it to wait", lambda: door.in_progress() == 1)
        release.touch()
        waiting.join()
        assert answers == [200]
