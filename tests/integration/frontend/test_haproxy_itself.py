"""HAProxy over a reload, and while visitors use up every connection."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.fetch import fetch
from tests.support.polling import until
from zopestack.features.timings import Timings
from zopestack.haproxy.runtime import Runtime

CLIENT, OTHER = "127.0.0.2", "127.0.0.3"

#: Requests of one client; a long period, so that a slow machine counts the same.
LIMIT = 8


@pytest.fixture
def door(farm: Farm, program: Path) -> Iterator[Door]:
    limits = {"requests_per_address": LIMIT, "timeout_http_request": "10m"}
    made = farm.door(instances=1, haproxy=program, **limits)
    made.timings = Timings(rate_period=600, counters=600)
    with made:
        yield made


def answers(door: Door, source: str, number: int) -> list[int]:
    return [door.get("/client", source=source).status for _ in range(number)]


def ready_to_hand_over(door: Door) -> bool:
    """Whether HAProxy no longer waits for one before it, as it does for 5 s after its start."""
    return "resync_timeout=<PAST>" in Runtime(door.stack.haproxy_socket).command("show peers")


def workers(door: Door) -> list[psutil.Process]:
    """The processes that serve, or have not ended yet."""
    assert door.master
    return psutil.Process(door.master.pid).children()


def counted(door: Door) -> int:
    """Clients that are remembered."""
    table = Runtime(door.stack.haproxy_socket).command("show table requests")
    return int(re.search(r"used:(\d+)", table)[1])


def test_what_was_counted_before_a_reload_counts_after_it(door: Door) -> None:
    until("HAProxy to be ready to hand over", lambda: ready_to_hand_over(door))
    assert answers(door, CLIENT, LIMIT - 2) == [200] * (LIMIT - 2)
    # Twice: what was handed over is handed on.
    for left in (1, 1):
        door.reload()
        # A master process that is still busy with one reload loses the signal for the next.
        until("the previous worker to end", lambda: len(workers(door)) == 1)
        assert counted(door) == 1
        assert answers(door, CLIENT, left) == [200] * left
    assert answers(door, CLIENT, 2) == [429, 429]
    assert answers(door, OTHER, LIMIT + 1) == [200] * LIMIT + [429]


def test_status_and_metrics_answer_while_visitors_use_up_every_connection(door: Door) -> None:
    runtime = Runtime(door.stack.haproxy_socket)

    def connected() -> int:
        return int(re.search(r"^CurrConns: (\d+)$", runtime.command("show info"), re.M)[1])

    most = door.stack.connections
    with ExitStack() as held:
        for _ in range(most + 100):
            held.enter_context(socket.create_connection(("127.0.0.1", door.ports.http), timeout=20))
        until("every connection to be in use", lambda: connected() >= most)
        status = door.stack.balancer.stats_address
        assert fetch(status, "/").status == 200
        assert "haproxy_frontend_current_sessions" in fetch(status, "/metrics").text
        assert connected() >= most


def test_the_previous_haproxy_ends_after_hard_stop_after(farm: Farm, program: Path) -> None:
    made = farm.door(instances=1, haproxy=program, timeout_server="1s", hard_stop_after="1s")
    with made as door, door.connect(CLIENT) as held:
        held.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert held.recv(12) == b"HTTP/1.1 200"
        (before,) = workers(door)
        door.reload()
        until("the previous worker to end", lambda: not before.is_running())
        assert door.get().status == 200
