"""The load generator counts what the servers count."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from zopestack.features.address import Address
from zopestack_bench import load
from zopestack_bench.record import Closed, Measured, Open


def closed(server, clients, paths=("/",), cookies=()) -> Measured:
    return load.run(server.address, paths, Closed(clients), 1, cookies=cookies)


@pytest.mark.parametrize("clients", [1, 4, 16])
def test_closed_loop_counts_what_a_fixed_delay_server_counts(serve, clients):
    server = serve(delay=0.01)
    measured = closed(server, clients)
    assert measured.requests == server.asked
    assert measured.failed == 0
    assert server.connections == clients
    # No answer can be faster than the server is.
    assert measured.latency[50] >= 0.01
    assert measured.rate <= clients / 0.01


@pytest.mark.parametrize("path", ["/chunked", "/close", "/until-close"])
def test_every_framing_of_a_response_is_understood(serve, path):
    server = serve(delay=0.005)
    measured = closed(server, 2, (path,))
    assert measured.requests == server.asked > 0
    assert measured.errors == {}


def test_each_path_is_asked_for_with_its_cookie(serve):
    server = serve()
    closed(server, 2, ("/a", "/b"), ("one", ""))
    assert {(path, cookie) for _, path, cookie in server.visitors} == {("/a", "one"), ("/b", "")}


def test_errors_are_counted_as_the_server_counts_them(serve):
    server = serve(delay=0.002, fails_every=10)
    measured = closed(server, 4)
    assert measured.errors == {"status 503": server.failed}
    assert measured.requests == server.answered


@pytest.mark.parametrize("clients", [1, 5])
def test_a_pause_counts_once_for_each_request_that_waited(serve, clients):
    server = serve(delay=0.001, pauses_every=10, pause=0.2)
    measured = closed(server, clients)
    assert measured.requests == server.answered
    # One in ten waited, and no others did.
    assert measured.latency[90] < 0.2 <= measured.latency[95]


def test_open_loop_asks_exactly_at_its_rate(serve):
    server = serve(delay=0.01, fails_every=10)
    began = time.perf_counter()
    measured = load.run(server.address, ("/",), Open(100), 1)
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
    measured = load.run(server.address, ("/",), Open(10_000), 0.001)
    assert measured.requests == 10
    assert measured.latency[100] >= 10 * 0.02
    assert measured.latency[50] >= 5 * 0.02
    assert measured.late > 0


def test_open_loop_counts_from_the_intended_start_while_a_server_stalls(serve, monkeypatch):
    # With a single connection, everything after the stalled request waits in the
    # generator, and must be charged with that time all the same.
    monkeypatch.setattr(load, "MAX_CONNECTIONS", 1)
    server = serve(stalls_at=1)
    timer = threading.Timer(0.5, server.go_on.set)
    timer.start()
    measured = load.run(server.address, ("/",), Open(100), 0.2)
    timer.join()
    assert measured.requests == server.answered == 20
    # All were to start within 0.2 s and could not before 0.5 s.
    assert measured.latency[50] >= 0.3


def test_a_stalled_request_is_given_up_and_counts(serve):
    server = serve(stalls_at=3)
    measured = load.run(server.address, ("/",), Open(50), 0.2, patience=1)
    assert measured.errors == {"timeout": 1}
    assert measured.requests == 9
    assert measured.latency[100] >= 1


def test_a_closed_loop_of_one_stalled_client_reports_it(serve):
    server = serve(stalls_at=1)
    measured = load.run(server.address, ("/",), Closed(1), 0.1, patience=0.2)
    assert (measured.requests, measured.errors) == (0, {"timeout": 1})
    assert server.asked == 1


def test_a_port_nobody_listens_on_is_an_error_not_a_rate():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", sock.getsockname()[1])
        measured = load.run(address, ("/",), Open(20), 0.5)
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
        measured = load.run(address, ("/",), Open(30), 0.1)
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
        measured = load.run(Address(*server.getsockname()), ("/",), Open(10), 0.1)
        thread.join()
    assert measured.errors == {"broken": 1}


def test_visitors_come_from_the_address_they_are_given(serve):
    server = serve()
    load.run(server.address, ("/",), Open(10), 0.5, source="127.0.0.7")
    assert server.visitors == {("127.0.0.7", "/", "")}


def test_paths_are_asked_for_in_turn(serve):
    server = serve()
    measured = load.run(server.address, ("/", "/chunked", "/until-close"), Open(30), 1)
    assert measured.requests == server.answered == 30
    # Each third answer closes its connection.
    assert server.connections >= 10
