"""Clients that take too much: too many connections or requests, too slow, too large."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.door import Door, received, statuses
from tests.support.farm import Farm
from tests.support.harness import until
from zopestack.supervisor.health import ask

#: Visitors, as opposed to this machine itself.
ONE, OTHER = "127.0.0.2", "127.0.0.3"

#: max-body-size of the farm, in bytes.
LARGEST = 1 << 20

PLAIN = b"GET / HTTP/1.0\r\n\r\n"

SLOW_CONNECTIONS = 500


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with farm.door(
        timeout_http_request="1s",
        connections_per_address=20,
        requests_per_address=40,
    ) as running:
        yield running


def test_too_many_requests_of_one_client_get_429_and_others_are_served(door: Door) -> None:
    answers = [door.get(source=ONE) for _ in range(60)]
    assert [answer.status for answer in answers] == [200] * 40 + [429] * 20
    assert answers[-1].headers["retry-after"] == "10"
    assert door.get(source=OTHER).status == 200
    # Monitoring and the instances themselves are never turned away.
    assert {door.get().status for _ in range(60)} == {200}


def test_too_many_connections_of_one_client_are_closed_and_others_are_served(door: Door) -> None:
    with ExitStack() as open_ones:
        held = [open_ones.enter_context(door.connect("127.0.0.4")) for _ in range(20)]
        until("the 21st to be closed", lambda: door.raw(PLAIN, "127.0.0.4"), lambda got: got == b"")
        assert door.get(source=OTHER).status == 200
        held[0].close()
        until("room for one", lambda: statuses(door.raw(PLAIN, "127.0.0.4")) == (200,))


def test_a_body_that_says_it_is_too_large_gets_413(door: Door) -> None:
    before = door.handed()
    assert door.get("/", {"Content-Length": str(LARGEST + 1)}, "POST").status == 413
    assert door.handed() == before
    largest = b"a" * LARGEST
    assert door.reach("/", method="POST", body=largest).body == largest.decode()


def test_a_body_in_chunks_that_grows_too_large_gets_413_from_the_instance(door: Door) -> None:
    door.seen()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    assert statuses(door.raw(head + 15 * chunk + b"0\r\n\r\n")) == (200,)
    assert [len(request.body) for request in door.seen()] == [15 * 0x10000]
    assert refusal(lambda: door.raw(head + 17 * chunk + b"0\r\n\r\n")) == (413,)
    assert door.seen() == []


def refusal(send: Callable[[], bytes]) -> tuple[int, ...]:
    """The answer of an instance that closes while there is more to read.

    On a busy machine its reset may overtake the answer in HAProxy, which then has none.
    """
    return until("an answer", lambda: statuses(send()), bool)


@pytest.mark.parametrize(
    ("what", "sent"),
    [
        ("no request at all", b""),
        ("half a request line", b"GET /"),
        ("headers without an end", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: a\r\n"),
        ("a body that does not come", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"),
        ("half a body", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"),
        ("a chunk that does not come", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
                                       b"\r\n\r\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_slow_sender_is_shown_out_and_no_instance_hears_of_it(
    door: Door, what: str, sent: bytes
) -> None:
    before = door.handed()
    assert statuses(door.raw(sent, OTHER)) == (408,)
    assert door.handed() == before


def test_500_slow_connections_do_not_keep_a_visitor_out(farm: Farm) -> None:
    with (
        farm.door(timeout_http_request="20s", connections_per_address=50) as door,
        ExitStack() as held,
    ):
        slow = [
            held.enter_context(door.connect(f"127.0.1.{number % 100 + 1}"))
            for number in range(SLOW_CONNECTIONS)
        ]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        for number in range(20):
            for connection in slow:
                connection.sendall(b"X-%d: a\r\n" % number)
            assert door.get(source=ONE).status == 200
        assert all(still_open(connection) for connection in slow)
        assert [request.headers["x-forwarded-for"] for request in door.seen()] == [ONE] * 20


def still_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True


def test_slow_connections_are_closed_when_their_time_is_up(door: Door) -> None:
    with ExitStack() as held:
        slow = [held.enter_context(door.connect(f"127.0.2.{n % 50 + 1}")) for n in range(200)]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\n")
        for connection in slow:
            assert statuses(received(connection)) == (408,)


def test_requests_of_one_client_in_progress_are_bounded_and_others_are_served(farm: Farm) -> None:
    """Whether they are worked on, wait, or are only read slowly."""
    with farm.door(concurrent_requests_per_address=8) as door, ExitStack() as open_ones:
        for _ in range(8):
            reader = open_ones.enter_context(door.connect(ONE))
            reader.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert reader.recv(12) == b"HTTP/1.1 200"
        answer = door.get(source=ONE)
        assert answer.status == 429
        assert answer.headers["retry-after"] == "10"
        assert door.get(source=OTHER).status == 200
        reader.close()
        until("room for one", lambda: door.get(source=ONE).status == 200)


def uploading(door: Door, size: int, source: str) -> socket.socket:
    """A client that has sent the beginning of a body and says how long it will be."""
    client = door.connect(source)
    client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size)
    # More than HAProxy waits for before an instance gets it.
    client.sendall(bytes(40_000))
    return client


def test_bytes_that_one_client_is_sending_are_bounded_and_others_are_served(farm: Farm) -> None:
    """Over all instances: each has its share of them."""
    with (
        farm.door(instances=2, concurrent_uploads_per_address="400kB") as door,
        ExitStack() as open_ones,
    ):
        clients: list[socket.socket] = []

        def going_on() -> int:
            return sum(not answered(client) for client in clients)

        def begin(size: int) -> socket.socket:
            clients.append(open_ones.enter_context(uploading(door, size, ONE)))
            until("an instance to take or refuse it", lambda: in_flight(door) == going_on())
            return clients[-1]

        def another() -> int:
            begin(150_000)
            return going_on()

        begin(LARGEST)
        # Whose turn it is, a busy machine mixes up: one that has its share refuses the next.
        until("one more on each instance", another, lambda number: number == 3)
        assert refusal(lambda: begin(150_000).recv(65536, socket.MSG_PEEK)) == (429,)
        other = open_ones.enter_context(uploading(door, 300_000, OTHER))
        other.sendall(bytes(260_000))
        assert statuses(other.recv(65536)) == (200,)
        assert door.get(source=ONE).status == 200
        assert going_on() == 3


def answered(connection: socket.socket) -> bool:
    """Whether there is something to read, or the other side has closed."""
    return bool(select.select([connection], [], [], 0)[0])


def in_flight(door: Door) -> int:
    """Requests that are in an instance, bodies that arrive included."""
    reports = [ask(instance) for instance in door.stack.instances]
    return sum(report.in_flight for report in reports if report)


def test_a_visitors_own_word_for_what_he_is_sending_is_not_believed(farm: Farm) -> None:
    with farm.door() as door:
        forged = {"Zopestack-Uploads": "9 0 192.0.2.1"}
        for source in ("127.0.0.1", ONE):
            answer = door.get("/", forged, "POST", body=b"a" * 100_000, source=source)
            assert answer.status == 200


def test_limits_can_be_turned_off(farm: Farm) -> None:
    with farm.door(
        connections_per_address="off",
        requests_per_address="off",
        concurrent_requests_per_address="off",
        concurrent_uploads_per_address="off",
    ) as door:
        assert "Retry-After 10" not in door.stack.haproxy_conf.read_text()
        assert {door.get(source=ONE).status for _ in range(50)} == {200}


def test_who_sends_or_takes_nothing_for_too_long_is_let_go(farm: Farm) -> None:
    with farm.door(timeout_client="1s", max_connections=50) as door:
        configuration = door.stack.haproxy_conf.read_text()
        assert "    timeout client 1s\n" in configuration
        assert "    maxconn 50\n" in configuration
        with uploading(door, LARGEST, ONE) as sender, door.connect(ONE) as reader:
            reader.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert set(statuses(received(sender))) <= {400, 408}
            until("nobody to be served", lambda: door.in_progress() == 0)


def test_a_trusted_proxy_speaks_for_its_visitors(farm: Farm) -> None:
    with farm.door(trusted_proxies="127.0.0.8 127.0.0.16/28", requests_per_address=5) as door:
        told = {"X-Forwarded-For": "192.0.2.1, 192.0.2.66", "X-Forwarded-Proto": "https"}
        headers = door.reach(headers=told, source="127.0.0.17").headers
        # The last one is what the proxy itself has seen.
        assert headers["x-forwarded-for"] == "192.0.2.66"
        assert headers["x-forwarded-proto"] == "https"
        headers = door.reach(headers=told, source=ONE).headers
        assert headers["x-forwarded-for"] == ONE
        assert headers["x-forwarded-proto"] == "http"
        # The limit is on the visitor, not on the proxy.
        answers = [door.get(headers=told, source="127.0.0.17").status for _ in range(6)]
        assert answers == [200] * 4 + [429] * 2
        other = {"X-Forwarded-For": "192.0.2.67"}
        assert door.get(headers=other, source="127.0.0.17").status == 200


def test_a_trusted_proxy_may_speak_the_proxy_protocol(farm: Farm) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    line = b"PROXY TCP4 192.0.2.66 192.0.2.1 1234 80\r\n"
    with farm.door(trusted_proxies="127.0.0.8", proxy_protocol="on") as door:
        assert statuses(door.raw(line + request, source="127.0.0.8")) == (200,)
        assert statuses(door.raw(request, source=ONE)) == (200,)
        told = [request.headers["x-forwarded-for"] for request in door.seen()]
        assert told == ["192.0.2.66", ONE]
        assert statuses(door.raw(line + request, source=ONE)) == (400,)
        assert statuses(door.raw(request, source="127.0.0.8")) == ()
        assert door.seen() == []


#: Pages of the management interface, however they are written, and what Zope answers to
#: whoever gets that far without a password.
ADMIN_PAGES = {
    "/manage": 401,
    "/manage_main": 401,
    "/Plone/manage_workspace": 401,
    "/Plone/@@manage_main": 404,
    "/Control_Panel": 401,
    "/Control_Panel/Database/main": 401,
    "/%6danage_main": 401,
    "/deep%2fmanage_main": 401,
    "/%256danage_main": 404,
    "//manage_main": 401,
    "/?manage_main:method=1": 401,
    "/?:method=manage_main": 401,
    "/?manage_main%3Amethod=1": 401,
    "/?:%6dethod=%6danage_main": 401,
    "/?manage_main:default_method=1": 401,
    "/?manage_main:action=1": 401,
    "/?manage_main%zz:method=1": 404,
}

#: Others, with names that resemble.
PAGES = {
    "/": 200, "/management": 404, "/deep/unmanage": 404, "/@@manage-portlets": 404,
    "/?a=manage": 200,
}  # fmt: skip


def test_the_management_interface_is_for_admin_networks_only(farm: Farm) -> None:
    networks = "127.0.0.9 127.0.0.32/28"
    with farm.door(admin_networks=networks, trusted_proxies="127.0.0.8") as door:
        assert {page: door.get(page, source=ONE).status for page in ADMIN_PAGES} == dict.fromkeys(
            ADMIN_PAGES, 403
        )
        # HAProxy refuses paths; what a query names, the instance refuses once Zope has found it.
        assert all(request.query for request in door.seen())
        inside = {page: door.get(page, source="127.0.0.9").status for page in ADMIN_PAGES}
        assert inside == ADMIN_PAGES
        assert {page: door.get(page, source=ONE).status for page in PAGES} == PAGES
        told = {"X-Forwarded-For": "127.0.0.9"}
        assert door.get("/manage", told, source=ONE).status == 403
        assert door.get("/manage", told, source="127.0.0.8").status == 401


def test_without_admin_networks_everybody_reaches_the_management_interface(door: Door) -> None:
    assert door.get("/manage_main").status == 401


def test_methods_can_be_chosen(farm: Farm) -> None:
    with farm.door(methods="GET PROPFIND") as door:
        assert door.reach(method="PROPFIND").method == "PROPFIND"
        answer = door.get(method="POST")
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, PROPFIND"
