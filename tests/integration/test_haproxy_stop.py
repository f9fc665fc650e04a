"""A stop of HAProxy by a real supervisord."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fetch import Response, fetch
from tests.support.polling import until
from tests.support.supervised import Supervised
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.health import ask
from zopestack.supervisor.readiness import listens


@pytest.fixture(scope="module")
def stack() -> Iterator[Supervised]:
    """One instance; what does not stop by itself is killed soon."""
    with Supervised(instances=1, stop_grace="1s") as running:
        running.start()
        yield running


def killed(stack: Supervised) -> list[str]:
    lines = (stack.stack.logs / "supervisord.log").read_text().splitlines()
    return [line for line in lines if "SIGKILL" in line]


def test_it_stops_as_soon_as_it_listens(stack: Supervised) -> None:
    """HAProxy's master process loses a signal that comes while it executes itself anew, which it
    does after it has started the worker."""
    rpc = Supervisor(stack.stack.supervisor_socket).rpc
    rpc.stopProcess("haproxy")
    for _ in range(5):
        rpc.startProcess("haproxy", False)
        # That takes milliseconds, less than the poll interval of `until`.
        while not listens(stack.stack.balancer.local_address):
            pass
        rpc.stopProcess("haproxy")
    rpc.startProcess("haproxy")
    assert killed(stack) == []


def test_requests_in_flight_are_finished(stack: Supervised, tmp_path: Path) -> None:
    """The worker gets the signal from supervisord and from the master process."""
    released, instance = tmp_path / "released", stack.stack.instances[0]
    until("it to serve", lambda: fetch(stack.stack.balancer.local_address, "/").status == 200)
    answers: list[Response] = []

    def visit() -> None:
        answers.append(fetch(stack.stack.balancer.local_address, f"/hold{released}"))

    visitor = threading.Thread(target=visit)
    visitor.start()
    until("it to be busy", lambda: ask(instance), lambda found: found and found.busy == 1)
    rpc = Supervisor(stack.stack.supervisor_socket).rpc
    rpc.stopProcess("haproxy", False)
    until("it to stop listening", lambda: not listens(stack.stack.balancer.local_address))
    released.touch()
    visitor.join()
    until("its end", stack.states, lambda states: states["haproxy"] == "STOPPED")
    rpc.startProcess("haproxy")
    assert [each.body for each in answers] == [b"served\n"]
    assert killed(stack) == []
