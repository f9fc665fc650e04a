"""An instance's slot is held as long as its thread, and no longer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.frontend.door import Door, statuses
from tests.frontend.farm import STREAM, Farm
from tests.stack.polling import until

READERS = 40

#: As in rendering.Limits.
STREAMS = 80


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with farm.door(instances=2, threads=1) as running:
        yield running


def limits(door: Door) -> list[int]:
    """What HAProxy would send to each instance at once."""
    return [
        int(row["slim"]) for name, row in door.figures().items() if name.startswith("zope/instance")
    ]


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
        assert sum(limits(door)) == 2 + READERS
        for _ in range(20):
            assert door.get().status == 200
            for reader in readers:
                reader.recv(1000)
        assert sum(server.queued for server in door.servers().values()) == 0
    until("the slots to be as before", lambda: limits(door), lambda now: now == [1, 1])


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
        until("one to be busy", lambda: sum(s.current for s in door.servers().values()) == 6)
        # None of these waits inside the busy instance.
        assert {door.get().status for _ in range(20)} == {200}
        assert answers == []
        release.touch()
        busy.join()
    assert answers == [200]


def test_a_download_arrives_whole_and_its_end_takes_the_slot_back(door: Door) -> None:
    answer = door.get("/stream")
    assert len(answer.body) == STREAM
    until("the slots to be as before", lambda: limits(door), lambda now: now == [1, 1])


def test_a_head_of_a_download_leaves_the_slots_alone(door: Door) -> None:
    answer = door.get("/Plone/stream", method="HEAD")
    assert answer.headers["content-length"] == str(STREAM)
    until("the slots to be as before", lambda: limits(door), lambda now: now == [1, 1])


def test_readers_who_leave_give_the_slots_back(door: Door) -> None:
    for _ in range(10):
        with slow_reader(door) as reader:
            assert reader.recv(12) == b"HTTP/1.1 200"
    until("the slots to be as before", lambda: limits(door), lambda now: now == [1, 1])


def test_an_instance_delivers_no_more_than_it_has_connections_for(farm: Farm) -> None:
    with farm.door(instances=1) as one, ExitStack() as held:
        for _ in range(STREAMS):
            reader = held.enter_context(slow_reader(one))
            assert reader.recv(12) == b"HTTP/1.1 200"
        assert limits(one) == [1 + STREAMS]
        held.enter_context(slow_reader(one)).recv(12)
        assert limits(one) == [1 + STREAMS]


def test_threads_count(farm: Farm) -> None:
    with farm.door(first=4, instances=1, threads=2) as two, ExitStack() as held:
        for number in range(3):
            reader = held.enter_context(slow_reader(two))
            assert reader.recv(12) == b"HTTP/1.1 200"
            assert limits(two) == [3 + number]
        assert statuses(two.raw(b"GET / HTTP/1.0\r\n\r\n")) == (200,)
