"""How the stack starts and stops a program of supervisord's without waiting for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xmlrpc.client import Fault

import pytest

from tests.support.polling import until
from tests.support.started import Started
from zopestack import files
from zopestack.supervisor.client import Supervisor

CONF = """
[unix_http_server]
file = {home}/socket
chmod = 0700
[supervisord]
nodaemon = true
logfile = {home}/log
pidfile = {home}/pid
childlogdir = {home}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:lasts]
command = cat
autostart = false
[program:ends]
command = true
autostart = false
startretries = 0
stdout_logfile = {home}/logs/ends.log
[program:missing]
command = {home}/no-such-program
autostart = false
"""


@pytest.fixture
def supervisor(home: Path) -> Iterator[Supervisor]:
    conf = home / "supervisord.conf"
    files.write(conf, CONF.format(home=home), mode=0o600)
    (home / "logs").mkdir()
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", conf]
    with Started(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        found = Supervisor(home / "socket")
        until("supervisord", found.running)
        yield found
        process.terminate()


def test_one_that_runs_already_is_left_alone(supervisor: Supervisor) -> None:
    supervisor.start("lasts")
    before = supervisor.processes()["lasts"]
    supervisor.start("lasts")
    assert supervisor.processes()["lasts"].pid == before.pid != 0


def test_one_that_does_not_run_need_not_be_stopped(supervisor: Supervisor) -> None:
    supervisor.stop("lasts")
    assert supervisor.processes()["lasts"].state == "STOPPED"
    with pytest.raises(Fault, match="BAD_NAME"):
        supervisor.stop("unknown")


def test_the_state_tells_of_one_that_has_ended_at_once(supervisor: Supervisor, home: Path) -> None:
    """Without a directory for its log it has ended by the time supervisord answers."""
    (home / "logs").rmdir()
    with pytest.raises(Fault, match="SPAWN_ERROR"):
        supervisor.rpc.startProcess("ends", False)
    for _ in range(2):
        until("the end", lambda: supervisor.processes()["ends"].state, "FATAL".__eq__)
        supervisor.start("ends")


@pytest.mark.parametrize(
    ("name", "says"), [("missing", "no-such-program"), ("unknown", "BAD_NAME")]
)
def test_one_that_can_never_be_started_is_refused(
    supervisor: Supervisor, name: str, says: str
) -> None:
    with pytest.raises(Fault, match=says):
        supervisor.start(name)
