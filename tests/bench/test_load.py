"""The load generators count what the servers count."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from zopestack.address import Address
from zopestack_bench import engine, load, wrk
from zopestack_bench.measured import Closed, Measured, Open

GENERATORS = ["bundled", "wrk"]


@pytest.fixture(params=GENERATORS)
def closed(request):
    """Run a closed loop with one of the generators."""
    if request.param == "bundled":
        return lambda server, clients, paths=("/",), cookies=(): engine.run(
            server.address, paths, Closed(clients), 1, cookies=cookies
        )
    return lambda server, clients, paths=("/",), cookies=(): wrk.run(
        wrk.find(), server.address, paths, Closed(clients), 1, cookies
    )


def assert_counts(measured: Measured, server, clients: int) -> None:
    # wrk leaves at most one request a client uncounted, in flight when it ends.
    in_flight = clients if measured.generator == "wrk" else 0
    assert measured.requests + measured.failed <= server.asked
    assert measured.requests + measured.failed >= server.asked - in_flight


@pytest.mark.parametrize("clients", [1, 4, 16])
def test_closed_loop_counts_what_a_fixed_delay_server_counts(serve, closed, clients):
    server = serve(delay=0.01)
    measured = closed(server, clients)
    assert_counts(measured, server, clients)
    assert measured.failed == 0
    assert server.connections <= clients + 1  # wrk opens one more to test the address
    # No answer can be faster than the server is.
    assert measured.percentile(50) >= 0.01
    assert measured.rate <= clients / 0.01


@pytest.mark.parametrize("path", ["/chunked", "/close"])
def test_every_framing_of_a_response_is_understood(serve, closed, path):
    server = serve(delay=0.005)
    measured = closed(server, 2, (path,))
    assert measured.requests > 0
    assert measured.errors == {}
    assert_counts(measured, server, 2)


def test_each_path_is_asked_for_with_its_cookie(serve, closed):
    server = serve()
    closed(server, 2, ("/a", "/b"), ("one", ""))
    assert {(path, cookie) for _, path, cookie in server.visitors} == {("/a", "one"), ("/b", "")}


def test_errors_are_counted_as_the_server_counts_them(serve, closed):
    server = serve(delay=0.002, fails_every=10)
    measured = closed(server, 4)
    in_flight = 4 if measured.generator == "wrk" else 0
    assert server.failed - in_flight <= measured.failed <= server.failed
    assert server.answered - in_flight <= measured.requests <= server.answered
    assert all(reason.startswith("status") for reason in measured.errors)


def test_open_loop_asks_exactly_at_its_rate(serve):
    server = serve(delay=0.01, fails_every=10)
    began = time.perf_counter()
    measured = engine.run(server.address, ("/",), Open(100), 1)
    assert server.asked == 100
    # However slow this machine is, none can be asked before its turn.
    for number, asked_at in enumerate(sorted(server.asked_at)):
        assert asked_at >= began + number / 100
    assert measured.requests == 90
    assert measured.errors == {"status 503": 10}


def test_open_loop_latency_includes_the_queue(serve):
    # Each answer takes 20 ms and one is made at a time, but ten are asked for at once:
    # the n-th has waited n times 20 ms, the last ten times.
    server = serve(delay=0.02, workers=1)
    measured = engine.run(server.address, ("/",), Open(10_000), 0.001)
    assert measured.requests == 10
    assert measured.percentile(100) >= 10 * 0.02
    assert measured.percentile(50) >= 5 * 0.02
    assert measured.late > 0


def test_open_loop_counts_from_the_intended_start_while_a_server_stalls(serve, monkeypatch):
    # With a single connection, everything after the stalled request waits in the
    # generator, and must be charged with that time all the same.
    monkeypatch.setattr(engine, "MAX_CONNECTIONS", 1)
    server = serve(stalls_at=1)
    timer = threading.Timer(0.5, server.go_on.set)
    timer.start()
    measured = engine.run(server.address, ("/",), Open(100), 0.2)
    timer.join()
    assert measured.requests == server.answered == 20
    # All were to start within 0.2 s and could not before 0.5 s.
    assert measured.latency[50] >= 0.3


def test_a_stalled_request_is_given_up_and_counts(serve):
    server = serve(stalls_at=3)
    measured = engine.run(server.address, ("/",), Open(50), 0.2, patience=0.3)
    assert measured.errors == {"timeout": 1}
    assert measured.requests == 9
    assert measured.percentile(100) >= 0.3


def test_a_closed_loop_of_one_stalled_client_reports_it(serve):
    server = serve(stalls_at=1)
    measured = engine.run(server.address, ("/",), Closed(1), 0.1, patience=0.2)
    assert (measured.requests, measured.errors) == (0, {"timeout": 1})
    assert server.asked == 1


def test_a_port_nobody_listens_on_is_an_error_not_a_rate():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", sock.getsockname()[1])
        measured = engine.run(address, ("/",), Open(20), 0.5)
    assert measured.requests == 0
    assert measured.errors == {"connect": 10}
    assert measured.rate == 0


def test_a_connection_the_server_cuts_is_an_error(serve):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def cut() -> None:
            for _ in range(3):
                connection, _ = server.accept()
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
                connection.close()

        thread = threading.Thread(target=cut, daemon=True)
        thread.start()
        address = Address(*server.getsockname())
        measured = engine.run(address, ("/",), Open(30), 0.1)
        thread.join()
    assert (measured.requests, measured.errors) == (0, {"broken": 3})


def test_what_speaks_no_http_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"220 smtp.example ESMTP\r\n")
            connection.recv(1000)
            connection.close()

        thread = threading.Thread(target=babble, daemon=True)
        thread.start()
        measured = engine.run(Address(*server.getsockname()), ("/",), Open(10), 0.1)
        thread.join()
    assert measured.errors == {"broken": 1}


def test_visitors_come_from_the_address_they_are_given(serve):
    server = serve()
    engine.run(server.address, ("/",), Open(10), 0.5, source="127.0.0.7")
    assert server.visitors == {("127.0.0.7", "/", "")}


def test_paths_are_asked_for_in_turn(serve):
    server = serve()
    measured = engine.run(server.address, ("/", "/chunked", "/until-close"), Open(30), 1)
    assert measured.requests == server.answered == 30
    # Each third answer closes its connection.
    assert server.connections >= 10


def test_the_bundled_generator_serves_where_wrk_is_missing(serve, monkeypatch):
    monkeypatch.setattr(wrk, "find", lambda: None)
    server = serve(delay=0.01)
    measured = load.run(server.address, ("/",), Closed(2), 0.1)
    assert measured.generator == "bundled"
    assert measured.requests == server.answered
