"""Hosts whose clocks differ are named, with real agents of which one has another clock."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import describe, freeports
from tests.support.polling import until
from zopestack.buildout.parts import agent
from zopestack.model import Stack
from zopestack.supervisor import clocks, hosts
from zopestack.supervisor.doctor.finding import Severity
from zopestack.supervisor.doctor.look import Look
from zopestack.supervisor.doctor.machine import clocks_of_hosts
from zopestack.supervisor.health import ask
from zopestack.supervisor.stopped import Stopped

HOSTS = """
lb1 127.0.0.2 balancer storage
app1 127.0.0.11 instances=1
app2 127.0.0.12 instances=1
app3 127.0.0.13 instances=1"""

#: Seconds by which the clock of each host is ahead of the machine's.
AHEAD = {"app1": 0, "app2": 60, "app3": -90}

#: An instance whose Python has another clock than the machine.
SHIFTED = """\
import runpy, sys, time
clock = time.time
time.time = lambda: clock() + int(sys.argv[1])
runpy.run_module("tests.support.bare_instance", run_name="__main__")
"""


@pytest.fixture
def stack(home: Path) -> Iterator[Stack]:
    ports = freeports.reserve()
    options = {
        "hosts": HOSTS,
        "base-port": str(ports.base),
        "agent-base-port": str(ports.base + 20),
    }
    started = []
    for name, seconds in AHEAD.items():
        there = describe.read(home, {**options, "host": name})
        (there.var / "instance1").mkdir(parents=True, exist_ok=True)
        told = agent(there, there.instances[0]).environment()
        command = [sys.executable, "-c", SHIFTED, str(seconds)]
        started.append(subprocess.Popen(command, env={**os.environ, **told}))
    try:
        known = describe.read(home, {**options, "host": "lb1"})
        until("the agents", lambda: all(map(ask, known.balanced)))
        yield known
    finally:
        for each in started:
            each.kill()
            each.wait()
        ports.release()


def test_a_clock_that_differs_is_named(stack: Stack) -> None:
    found = clocks.differing(stack)
    assert found == {
        "app2": pytest.approx(60, abs=clocks.TOLERABLE),
        "app3": pytest.approx(-90, abs=clocks.TOLERABLE),
    }
    (finding,) = clocks_of_hosts(Look(stack))
    assert finding.severity is Severity.ERROR
    assert "app2 is" in finding.evidence and "ahead of this host" in finding.evidence
    assert "app3 is" in finding.evidence and "behind this host" in finding.evidence


def test_nothing_is_done_on_any_host_then(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    # That the hosts are reached is another test's; nothing must be run after this question.
    monkeypatch.setattr(hosts, "_objection", lambda *_: "")
    said: list[str] = []
    with pytest.raises(Stopped, match=r"nothing was done: the clocks differ, app2 is \d+ s ahead"):
        hosts.run(stack, ["roll"], "", said.append)
    assert said == []
