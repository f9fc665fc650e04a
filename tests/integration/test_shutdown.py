"""SIGTERM to every process at once, as of a machine that shuts down, by a real supervisord."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.fetch import fetch
from tests.support.polling import until
from tests.support.supervised import Supervised
from zopestack.features.address import Address
from zopestack.haproxy import program as haproxy
from zopestack.haproxy.runtime import Runtime
from zopestack.supervisor.health import ask
from zopestack.supervisor.readiness import listens

#: What haproxy-reload says when it is done.
RELOADED = re.compile("HAProxy (already )?runs with the")


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Iterator[Supervised]:
    """With the HAProxy of this machine that is asked for by its number, or the usual one."""
    number = getattr(request, "param", 0)
    if number >= len(haproxy.installed()):
        pytest.skip("one HAProxy on this machine")
    program = haproxy.installed()[number]
    with Supervised(instances=2, stop_grace="60s", haproxy=program) as running:
        running.start()
        http = running.stack.balancer.http_address[0]
        until("it to serve", lambda: listens(http) and fetch(http, "/").status == 200)
        until("the end of a reload", lambda: RELOADED.search(running.log("haproxy-reload")))
        wait_reloaded(running)
        yield running


def wait_reloaded(stack: Supervised) -> None:
    """Until the previous worker of HAProxy accepts nothing more."""
    master = psutil.Process(stack.pids()["haproxy"])
    until("one worker", lambda: len(master.children()) == 1)


class Visitors:
    """Requests in flight, each of a thread of its own, until they are released."""

    def __init__(self, released: Path) -> None:
        self.released = released
        self.answers: list[object] = []
        self.threads: list[threading.Thread] = []

    def visit(self, address: Address) -> None:
        def run() -> None:
            try:
                self.answers.append(fetch(address, f"/hold{self.released}").status)
            except OSError as why:
                self.answers.append(why)

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()

    def release(self) -> list[object]:
        self.released.touch()
        for thread in self.threads:
            thread.join()
        return self.answers


def terminate(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()


def queued(stack: Supervised) -> int:
    rows = Runtime(stack.stack.haproxy_socket).command("show stat").splitlines()
    (backend,) = (row.split(",") for row in rows if row.startswith("zope,BACKEND,"))
    return int(backend[2])


def test_a_kill_of_one_instance_drains_it_alone(stack: Supervised, tmp_path: Path) -> None:
    """A second signal within the first second is the same one; a later one is impatience."""
    one = stack.stack.instances[0]
    visitors = Visitors(tmp_path / "released")
    visitors.visit(one.address)
    until("it to be busy", lambda: ask(one), lambda found: found and found.busy == 1)
    pid = stack.pids()[one.name]
    for _ in range(3):
        os.kill(pid, signal.SIGTERM)
    until("a drain", lambda: ask(one), lambda found: found and found.status == 404)
    assert psutil.pid_exists(pid)
    os.kill(pid, signal.SIGTERM)
    until("its end", lambda: stack.pids()[one.name] != pid)
    assert "a second signal: stopping now, 1 request(s) aborted" in stack.log(one.name)
    visitors.release()
    stack.wait_running()
    until("it to serve", lambda: ask(one), lambda found: found and found.status == 200)


@pytest.mark.parametrize(("stack", "reloads"), [(0, 1), (1, 2)], indirect=["stack"])
def test_what_runs_and_what_waits_in_the_queue_is_answered(
    stack: Supervised, reloads: int, tmp_path: Path
) -> None:
    for number in range(reloads):
        stack.configure(timeout_queue=f"{60 + number}s")
        done = stack.supervisorctl("update")
        assert done.returncode == 0, done.stdout
        wait_reloaded(stack)
    http, instances = stack.stack.balancer.http_address[0], stack.stack.instances
    visitors = Visitors(tmp_path / "released")
    for _ in range(4):
        visitors.visit(http)
    until("all to be busy", lambda: [ask(each).busy for each in instances], [1, 1].__eq__)
    until("a queue", lambda: queued(stack), (2).__eq__)
    terminate(stack.processes())
    # supervisord notices within a second, and HAProxy is its first.
    until("HAProxy to stop listening", lambda: not listens(http))
    # A balancer that saw an instance leave would give it nothing of the queue.
    assert {ask(each).status for each in instances} == {200}
    assert visitors.release() == [200] * 4
    ended(stack)


def test_what_runs_at_an_instance_itself_is_answered(stack: Supervised, tmp_path: Path) -> None:
    """supervisord's own signal comes seconds after the first one, and is no impatience."""
    one = stack.stack.instances[0]
    visitors = Visitors(tmp_path / "released")
    visitors.visit(one.address)
    until("it to be busy", lambda: ask(one), lambda found: found and found.busy == 1)
    terminate(stack.processes())
    log = stack.stack.logs / "supervisord.log"
    until("the end of the other", lambda: "stopped: instance2" in log.read_text())
    until("its turn", lambda: ask(one), lambda found: found and found.status == 404)
    assert visitors.release() == [200]
    ended(stack)


def ended(stack: Supervised) -> None:
    until("the end of all", lambda: not stack.processes())
    assert "SIGKILL" not in (stack.stack.logs / "supervisord.log").read_text()
    assert not any("aborted" in stack.log(each.name) for each in stack.stack.instances)
