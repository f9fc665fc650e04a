"""A request has no slot of an instance while its body is still on its way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.door import Door, received, statuses
from tests.support.farm import Farm
from tests.support.polling import until
from zopestack.features.timings import Sizes

#: More than HAProxy keeps of a body before it sends the request on.
BEGINNING = b"a" * (Sizes().buffer + 1000)

WHOLE = BEGINNING + b"last"

UPLOADS = 10


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with farm.door() as running:
        yield running


def upload(door: Door, length: int, path: str = "/") -> socket.socket:
    """A client that has sent the beginning of a body and says how long it will be."""
    client = door.connect()
    client.sendall(
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        % (path.encode(), length)
    )
    client.sendall(BEGINNING)
    return client


def chunked_upload(door: Door) -> socket.socket:
    """The same in chunks."""
    client = door.connect()
    client.sendall(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(BEGINNING), BEGINNING)
    )
    return client


def arriving(door: Door, number: int) -> None:
    """So many requests have a slot, although there are two threads."""
    until("all to be let in", door.in_progress, lambda now: now == number)


def arrived(door: Door) -> list[str]:
    """The bodies that reached an instance since the last look."""
    return [request.body for request in door.seen() if request.body]


def test_slow_uploads_do_not_keep_a_page_from_being_served(door: Door) -> None:
    with ExitStack() as held:
        clients = [held.enter_context(upload(door, len(WHOLE))) for _ in range(UPLOADS)]
        arriving(door, UPLOADS)
        for _ in range(10):
            assert door.get().status == 200
        door.seen()
        for client in clients:
            client.sendall(b"last")
            assert statuses(received(client)) == (200,)
    assert arrived(door) == [WHOLE.decode()] * UPLOADS
    door.wait_for_slots()


def test_an_upload_in_chunks_is_no_different(door: Door) -> None:
    door.seen()
    with ExitStack() as held:
        clients = [held.enter_context(chunked_upload(door)) for _ in range(3)]
        arriving(door, 3)
        for client in clients:
            client.sendall(b"0\r\n\r\n")
            assert statuses(received(client)) == (200,)
    assert arrived(door) == [BEGINNING.decode()] * 3
    door.wait_for_slots()


def test_clients_who_leave_in_the_middle_give_the_slots_back(door: Door) -> None:
    with ExitStack() as held:
        for _ in range(UPLOADS):
            held.enter_context(upload(door, len(WHOLE)))
        arriving(door, UPLOADS)
    door.wait_for_slots()
    assert door.get().status == 200


def test_the_slot_is_taken_back_when_the_body_is_here(door: Door) -> None:
    """Zope's thread has it then."""
    release = door.directory / "release"
    path = f"/hold?until={release}"
    answers: list[int] = []
    with upload(door, len(WHOLE), path) as client:
        arriving(door, 1)
        client.sendall(b"last")
        other = threading.Thread(target=lambda: answers.append(door.get(path).status))
        other.start()
        until("both to be busy", lambda: door.busy() == [1, 1])
        door.wait_for_slots()
        third = threading.Thread(target=lambda: answers.append(door.get("/").status))
        third.start()
        until("the third to wait", lambda: door.figures()["zope/BACKEND"]["qcur"] == "1")
        assert door.limits() == [1, 1]
        release.touch()
        assert statuses(received(client)) == (200,)
        other.join()
        third.join()
    assert answers == [200, 200]
    release.unlink()


def test_an_upload_waits_for_its_turn_like_any_other_request(door: Door) -> None:
    release = door.directory / "release"
    busy = [threading.Thread(target=door.get, args=(f"/hold?until={release}",)) for _ in range(2)]
    for thread in busy:
        thread.start()
    until("both to be busy", lambda: [s.current for s in door.servers().values()] == [1, 1])
    door.seen()
    with upload(door, len(WHOLE)) as client:
        client.sendall(b"last")
        until("it to wait", lambda: door.figures()["zope/BACKEND"]["qcur"] == "1")
        assert door.limits() == [1, 1]
        release.touch()
        assert statuses(received(client)) == (200,)
    assert arrived(door) == [WHOLE.decode()]
    for thread in busy:
        thread.join()
    release.unlink()
    door.wait_for_slots()


def test_a_body_that_is_whole_lends_nothing(door: Door) -> None:
    release = door.directory / "release"
    path = f"/hold?until={release}"
    post = threading.Thread(target=door.get, args=(path, None, "POST"), kwargs={"body": b"abc"})
    post.start()
    until("it to be served", lambda: door.in_progress() == 1)
    assert door.limits() == [1, 1]
    release.touch()
    post.join()
    release.unlink()


def test_a_reload_takes_over_what_is_held(door: Door) -> None:
    """The old worker goes on delivering; the new one finds idle threads."""
    with ExitStack() as held:
        clients = [held.enter_context(upload(door, len(WHOLE))) for _ in range(3)]
        arriving(door, 3)
        door.reload()
        assert [door.get().status for _ in range(5)] == [200] * 5
        more = [held.enter_context(upload(door, len(WHOLE))) for _ in range(3)]
        arriving(door, 3)
        assert [door.get().status for _ in range(5)] == [200] * 5
        for client in (*clients, *more):
            client.sendall(b"last")
            assert statuses(received(client)) == (200,)
    door.wait_for_slots()


def test_after_a_reload_a_busy_instance_is_given_nothing(door: Door) -> None:
    """It is busy with what the old worker has given it, which the new one knows nothing of."""
    release = door.directory / "release"
    answers: list[int] = []
    old = threading.Thread(target=lambda: answers.append(door.get(f"/hold?until={release}").status))
    old.start()
    until("one to be busy", lambda: sum(door.busy()) == 1)
    free = {door.stack.instances[door.busy().index(0)].address.port}
    door.reload()
    until("the new one to know", lambda: "0" in [r["weight"] for r in door.rows()])
    assert {door.reach().port for _ in range(10)} == free
    assert answers == []
    release.touch()
    old.join()
    assert answers == [200]
    release.unlink()
    until("all to be open", lambda: [r["weight"] for r in door.rows()] == ["1", "1"])


def test_a_megabyte_arrives_whole(door: Door) -> None:
    assert len(door.reach("/", method="POST", body=b"x" * 1_000_000).body) == 1_000_000
    door.wait_for_slots()
