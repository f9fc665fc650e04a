"""Rounds are interleaved, and samples are what servers and kernel have counted."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.started import Started
from zopestack.features.address import Address
from zopestack_bench import proc, rounds
from zopestack_bench.probe import until
from zopestack_bench.record import Closed, Experiment, Open, Outcome
from zopestack_bench.slow import Slow, slow_clients
from zopestack_bench.workloads import Workload

PAGE = Workload("page", ("/",), "a page")

#: A process of known behaviour: it computes until so much CPU is used, then waits.
BURNER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
while time.process_time() < 0.3:
    pass
print("burnt", flush=True)
input()
"""


PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


@pytest.fixture
def track(serve, answer):
    """Two layouts that are known servers in this process."""
    servers = {"A": serve(delay=0.005), "B": serve(delay=0.01, fails_every=10)}
    return answer(servers, own=PAGE)


def measured(track, experiment, number):
    """So many rounds of an experiment."""
    outcome = Outcome(experiment, [])
    for each in range(1, number + 1):
        track.add(outcome, each)
    return outcome


def test_rounds_are_interleaved_and_counted(track):
    lines: list[str] = []
    experiment = Experiment("page", Open(50), ("A", "B"), 0.2)
    track.say = lines.append
    outcome = measured(track, experiment, 3)
    order = [(s.round, s.layout) for s in outcome.samples]
    assert order == [(1, "A"), (1, "B"), (2, "A"), (2, "B"), (3, "A"), (3, "B")]
    assert len(lines) == 6
    # 10 requests in each of 3 rounds, all else was warm-up.
    assert sum(s.measured.requests for s in outcome.samples if s.layout == "A") == 30
    for sample in outcome.samples:
        assert sample.measured.requests + sample.measured.failed == 10


def test_a_layout_is_warmed_up_longer_for_what_it_has_not_been_asked_yet(track, monkeypatch):
    run, warm_ups = rounds.generator.run, []

    def noted(address, paths, load, seconds, **options):
        warm_ups.append((load.clients if "source" not in options else 0, seconds))
        return run(address, paths, load, seconds, **options)

    monkeypatch.setattr(rounds, "generator", SimpleNamespace(run=noted))
    for load in (Open(10), Closed(1)):
        experiment = Experiment("page", load, ("A", "B"), 0.1)
        measured(track, experiment, 2)
    first, later = [(2, rounds.FIRST_WARM_UP)] * 2, [(1, PAGE.warm_up)] * 2
    loads = [(clients, seconds) for clients, seconds in warm_ups if clients]
    assert loads == first + later * 3


def test_the_crowd_of_a_layout_is_neither_its_cost_nor_that_of_others(monkeypatch):
    monkeypatch.setattr(proc, "busy", lambda: 100.0)
    monkeypatch.setattr(proc, "own", lambda: 1.0)
    with Started([sys.executable, "-c", BURNER], **PIPES) as crowd:
        crowd.stdout.readline()
        assert rounds._others(()) == 99
        assert rounds._others((crowd.pid,)) <= 99 - 0.3 + proc.TICK
        crowd.stdin.close()


def test_latency_of_layouts_is_compared_within_rounds(track):
    experiment = Experiment("page", Open(20), ("A", "B"), 0.2)
    outcome = measured(track, experiment, 5)
    assert outcome.ratio("B", "A", "p50 ms").rounds == 5
    # What each server takes at least.
    assert min(outcome.series("A", "p50 ms")) >= 5
    assert min(outcome.series("B", "p50 ms")) >= 10


def test_the_cpu_of_a_family_of_processes_is_counted():
    with Started([sys.executable, "-c", BURNER], **PIPES) as process:
        process.stdout.readline()
        family = proc.family(process.pid)
        used = proc.usage([process.pid])
        process.stdin.close()
    assert len(family) == 2
    assert family[0] == process.pid
    # It was to use 0.3 s; a tick of the kernel's clock may be missing.
    assert used.cpu >= 0.3 - proc.TICK
    assert used.voluntary + used.involuntary > 0
    # One that has ended has used nothing that can be known.
    assert proc.usage([process.pid]) == proc.Usage()


def test_rescheduling_interrupts_of_all_cores_are_added(tmp_path, monkeypatch):
    monkeypatch.setattr(proc, "PROC", tmp_path)
    (tmp_path / "interrupts").write_text(
        "           CPU0       CPU1\n  1:   9   0   i8042\n"
        "RES:      11563      16785   Rescheduling interrupts\n"
    )
    assert proc.rescheduling() == 28348
    (tmp_path / "interrupts").write_text("           CPU0\n  1:   9   i8042\n")
    assert proc.rescheduling() is None


def test_slow_readers_hold_a_download_open(serve):
    server = serve(stalls_at=1)
    with slow_clients(server.address, [Slow(3, "/", 1000)]) as pids:
        until("three requests", lambda: server.asked, lambda asked: asked == 3, 10)
        assert server.connections == 3
        assert {path for _, path, _ in server.visitors} == {"/"}
        # They are nobody that the generated HAProxy makes an exception for.
        assert {address for address, *_ in server.visitors} == {"127.0.1.1"}
        assert proc.usage(pids).cpu > 0
        server.go_on.set()
    assert not Path(f"/proc/{pids[0]}").exists()


def test_a_slow_reader_takes_no_more_than_its_share():
    # 4000 bytes a second, of which the server counts what has left it.
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(*server.getsockname())
        with slow_clients(address, [Slow(1, "/", 4000)]):
            connection, _ = server.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            connection.settimeout(1)
            began, sent = time.monotonic(), 0
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n")
            while time.monotonic() < began + 2:
                with suppress(TimeoutError):
                    sent += connection.send(bytes(1000))
            passed = time.monotonic() - began
            connection.close()
    # What the kernel keeps on both sides comes on top.
    assert sent < 4000 * passed + 30_000


def test_slow_senders_never_finish_a_request_and_come_back():
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as held:
        server.settimeout(20)
        with slow_clients(Address(*server.getsockname()), [Slow(3)]):
            found = [held.enter_context(server.accept()[0]) for _ in range(3)]
            for connection in found:
                connection.settimeout(20)
                received = b""
                while received.count(b"X-More") < 2:
                    received += connection.recv(1000)
                assert received.startswith(b"GET / HTTP/1.1\r\n")
                assert b"\r\n\r\n" not in received
            found[0].close()
            held.enter_context(server.accept()[0])


def test_closed_and_open_loads_have_names_for_people():
    assert [str(x) for x in (Closed(1), Closed(8), Open(12.5))] == [
        "1 client",
        "8 clients",
        "12.5 arrivals/s",
    ]
