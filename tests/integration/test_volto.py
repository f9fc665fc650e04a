"""Servers of Volto that supervisord runs are restarted without losing a request; in their place, a
small front end for Node, killed as soon as it is stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import front_end
from tests.support.fetch import fetch
from tests.support.polling import until
from tests.support.supervised import Supervised
from zopestack.features.address import Address
from zopestack.features.timings import Timings
from zopestack.haproxy.runtime import Runtime

NAMES = ("left", "right")

VISITORS = 4


class Front:
    """The stack, with two servers of Volto."""

    def __init__(self, stack: Supervised) -> None:
        self.stack = stack
        self.ports = dict(zip(NAMES, range(stack.ports.spare, stack.ports.spare + 2), strict=True))
        self.more = ""
        front_end.build(stack.directory)

    def configure(self) -> None:
        """Write every file anew."""
        at = "\n".join(f"127.0.0.1:{port} {name}" for name, port in self.ports.items())
        lines = (
            f"250 {name} (stopsignal=KILL environment=PORT='{port}'{self.more}) node "
            f"[{front_end.SERVER}] {self.stack.directory} true"
            for name, port in self.ports.items()
        )
        self.stack.sections = {"supervisor": {"programs": "\n".join(lines)}}
        self.stack.configure(volto_address=at)

    def serving(self) -> set[str]:
        """Those that HAProxy sends requests to."""
        seen = Runtime(self.stack.stack.haproxy_socket).volto()
        return {name for name, server in seen.items() if server.up}

    def get(self, path: str) -> int:
        return fetch(Address("127.0.0.1", self.stack.ports.http), path).status

    @contextmanager
    def visited(self) -> Iterator[list[int]]:
        """Pages that take a while are asked for all the time; their statuses, after the block."""
        answers: list[int] = []
        over = threading.Event()

        def visit() -> None:
            while not over.is_set():
                answers.append(self.get("/news?takes=50"))

        visitors = [threading.Thread(target=visit) for _ in range(VISITORS)]
        for each in visitors:
            each.start()
        try:
            until("a page from each", lambda: len(answers) > VISITORS)
            yield answers
        finally:
            over.set()
            for each in visitors:
                each.join()

    def restarted(self, *command: str) -> tuple[str, set[str]]:
        """Run supervisorctl under load, in which no page is lost; what is said, and which
        programs have another process.
        """
        before = self.stack.pids()
        with self.visited() as answers:
            done = self.stack.supervisorctl(*command)
            assert done.returncode == 0, done.stdout
        assert {*answers} == {200}
        after = self.stack.pids()
        return done.stdout, {name for name in NAMES if after[name] != before[name]}


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    timings = Timings(stop=1, check_interval=0.2)
    with Supervised(timings=timings, instances=2, sites="* = /Plone") as stack:
        made = Front(stack)
        made.configure()
        stack.start()
        until("both to serve", made.serving, {*NAMES}.__eq__)
        yield made


def test_a_roll_loses_no_page(front: Front) -> None:
    instances = {name: front.stack.pids()[name] for name in ("instance1", "instance2")}
    said, changed = front.restarted("roll", *NAMES)
    assert changed == {*NAMES}
    steps = ("draining", "stopped, starting", "in rotation")
    assert said.splitlines() == [f"{name}: {step}" for name in NAMES for step in steps]
    assert front.serving() == {*NAMES}
    assert {name: front.stack.pids()[name] for name in instances} == instances


def test_instances_are_rolled_by_the_same_command(front: Front) -> None:
    front.stack.wait_serving()
    before = front.stack.pids()
    said, changed = front.restarted("roll", "left", "instance1")
    assert changed == {"left"}
    assert said.index("instance1: draining") < said.index("left: draining")
    after = front.stack.pids()
    assert after["instance1"] != before["instance1"]
    assert after["instance2"] == before["instance2"]


def test_an_edit_is_applied_to_one_after_the_other(front: Front) -> None:
    front.more = ",EDITED='1'"
    front.configure()
    said, changed = front.restarted("update")
    assert changed == {*NAMES}
    assert said.index("left: in rotation") < said.index("right: draining")


def test_one_moves_to_another_port(front: Front) -> None:
    front.ports["left"] += len(NAMES)
    front.configure()
    _, changed = front.restarted("update")
    assert changed == {"left"}
    until("both to serve", front.serving, {*NAMES}.__eq__)


def test_the_last_one_is_not_rolled(front: Front) -> None:
    assert front.stack.supervisorctl("stop", "right").returncode == 0
    until("HAProxy to see it", front.serving, {"left"}.__eq__)
    pid = front.stack.pids()["left"]
    done = front.stack.supervisorctl("roll", "left")
    assert done.returncode != 0
    assert "no server of Volto other than left is serving" in done.stdout
    assert front.stack.pids()["left"] == pid
    # An edit of the only one that serves has to be applied all the same.
    front.more = ",EDITED='2'"
    front.configure()
    assert front.stack.supervisorctl("update").returncode == 0
    assert front.stack.pids()["left"] != pid
    assert front.stack.supervisorctl("start", "right").returncode == 0
    until("both to serve", front.serving, {*NAMES}.__eq__)


def test_one_that_does_not_start_leaves_the_other_serving(front: Front) -> None:
    server = front.stack.directory / front_end.SERVER
    whole = server.read_text("utf-8")
    server.write_text("process.exit(1)\n", "utf-8")
    done = front.stack.supervisorctl("roll", *NAMES)
    server.write_text(whole, "utf-8")
    assert done.returncode != 0
    assert "left: supervisord" in done.stdout
    assert "right" not in done.stdout
    assert front.get("/news") == 200
    # It is not kept out once it runs.
    front.stack.supervisorctl("stop", "left")
    assert front.stack.supervisorctl("start", "left").returncode == 0
    until("both to serve", front.serving, {*NAMES}.__eq__)
