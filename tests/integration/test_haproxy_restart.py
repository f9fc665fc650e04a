"""A restart of HAProxy by a real supervisord closes none of its addresses."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.fetch import fetch
from tests.support.polling import until
from tests.support.supervised import Supervised
from zopestack.features.address import Address
from zopestack.features.timings import Timings
from zopestack.haproxy import program as haproxy
from zopestack.supervisor.health import ask
from zopestack.supervisor.readiness import listens


@pytest.fixture(scope="module")
def stack() -> Iterator[Supervised]:
    # HAProxy stops as soon as the last idle connection is closed.
    with Supervised(instances=1, stop_grace="20s", timings=Timings(keep_alive=1)) as running:
        running.start()
        until("it to serve", lambda: fetch(http(running), "/").status == 200)
        yield running


@pytest.fixture(autouse=True)
def one(stack: Supervised) -> Iterator[None]:
    """Every test ends with the one HAProxy that supervisord has."""
    yield
    until("one HAProxy", lambda: masters(stack) == {stack.pids()["haproxy"]})
    assert stack.states()["haproxy"] == "RUNNING"


def http(stack: Supervised) -> Address:
    return stack.stack.balancer.local_address


def masters(stack: Supervised) -> set[int]:
    """Every HAProxy of the stack, by the process that is no worker."""
    own = [each for each in stack.processes() if words(each)[:1] == [str(stack.stack.haproxy)]]
    pids = {each.pid for each in own}
    return {each.pid for each in own if each.ppid() not in pids}


def words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextmanager
def visited(stack: Supervised) -> Iterator[None]:
    """A visitor whose every request, each on a connection of its own, is answered."""
    over, seen = threading.Event(), []

    def visit() -> None:
        while not over.is_set():
            try:
                seen.append(fetch(http(stack), "/").status)
            except OSError as why:
                seen.append(why)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield
    finally:
        over.set()
        visitor.join()
    assert {*seen} == {200}


@contextmanager
def held(stack: Supervised, released: Path) -> Iterator[list[object]]:
    """A request in flight that ends with the block, and its answer."""
    answers: list[object] = []

    def visit() -> None:
        answers.append(fetch(http(stack), f"/hold{released}").body)

    visitor = threading.Thread(target=visit)
    visitor.start()
    (instance,) = stack.stack.instances
    until("it to be busy", lambda: ask(instance), lambda found: found and found.busy == 1)
    try:
        yield answers
    finally:
        released.touch()
        visitor.join()


def test_a_restart_refuses_nobody(stack: Supervised) -> None:
    """With an idle connection, HAProxy takes as long to stop as that is kept open."""
    before = stack.pids()["haproxy"]
    with socket.create_connection((http(stack).host, http(stack).port)) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200")
        with visited(stack):
            done = stack.supervisorctl("restart", "haproxy")
            assert done.returncode == 0, done.stdout
    assert "haproxy: started" in done.stdout
    assert stack.pids()["haproxy"] != before


def test_an_update_that_restarts_it_refuses_nobody(stack: Supervised) -> None:
    before = stack.pids()
    stack.configure(stop_grace="21s")
    with visited(stack):
        done = stack.supervisorctl("update", "haproxy")
        assert done.returncode == 0, done.stdout
        stack.wait_running()
    assert stack.pids()["haproxy"] != before["haproxy"]
    assert stack.pids()["instance1"] == before["instance1"]


def test_whoever_leaves_in_the_midst_leaves_a_site_that_serves(
    stack: Supervised, tmp_path: Path
) -> None:
    before = stack.pids()["haproxy"]
    with held(stack, tmp_path / "released") as answers:
        operator = subprocess.Popen(
            [stack.stack.bin / "supervisorctl", "restart", "haproxy"],
            env=stack.environment,
            stdout=subprocess.DEVNULL,
        )
        until("the stop", stack.states, lambda states: states["haproxy"] == "STOPPING")
        operator.send_signal(signal.SIGKILL)
        operator.wait()
        assert listens(http(stack))
    assert answers == [b"served\n"]
    until("it to run", stack.states, lambda states: states["haproxy"] == "RUNNING")
    assert stack.pids()["haproxy"] != before
    with visited(stack):
        pass


def test_it_is_not_restarted_with_files_that_it_would_refuse(stack: Supervised) -> None:
    before, good = stack.pids()["haproxy"], stack.stack.haproxy_conf.read_text()
    stack.stack.haproxy_conf.write_text(good.replace("mode http", "mode gopher"))
    try:
        done = stack.supervisorctl("restart", "haproxy")
    finally:
        stack.stack.haproxy_conf.write_text(good)
    assert done.returncode != 0
    assert "haproxy was not restarted, since it would not start again" in done.stdout
    assert "gopher" in done.stdout
    assert stack.pids()["haproxy"] == before


def test_a_stop_is_a_stop(stack: Supervised) -> None:
    assert stack.supervisorctl("stop", "haproxy").returncode == 0
    assert not listens(http(stack))
    assert not masters(stack)
    assert stack.supervisorctl("start", "haproxy").returncode == 0


@pytest.mark.skipif(len(haproxy.installed()) < 2, reason="one HAProxy on this machine")
def test_another_version_takes_over(stack: Supervised) -> None:
    for program in (haproxy.installed()[1], haproxy.installed()[0]):
        stack.configure(haproxy=program)
        with visited(stack):
            assert stack.supervisorctl("restart", "haproxy").returncode == 0
