"""The user's unit in the hands of a real systemd: its start at boot, its stop, its end.

The manager runs in a mount namespace of its own, in which ``/run`` says that this machine was
booted with systemd; without that it does not start (sd_booted(3)).
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.support.fetch import fetch
from tests.support.polling import PATIENCE, until
from tests.support.supervised import Supervised
from zopestack.supervisor.health import ask
from zopestack.supervisor.readiness import listens

#: Run with the cgroups that it is to be in.
START = """
for cgroup; do echo $$ > $cgroup/cgroup.procs; done
mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec /lib/systemd/systemd --user
"""
CGROUPS = Path("/sys/fs/cgroup")
UNIT = "mysite"


class Manager:
    """``systemd --user`` with the unit of a stack among its own, linked as docs/howto/deploy.rst
    has it. It ends by SIGTERM, with everything that it has started, as at a shutdown."""

    def __init__(self, stack: Supervised) -> None:
        home = stack.directory / "home"
        self.runtime = home / "run"
        self.environment = {
            **stack.environment,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(self.runtime),
        }
        units = home / ".config/systemd/user"
        if not units.is_dir():
            units.mkdir(parents=True)
            self.runtime.mkdir(mode=0o700)
            (units / f"{UNIT}.service").symlink_to(stack.stack.user_unit)

    def __enter__(self) -> Self:
        command = ["unshare", "--mount", "sh", "-c", START, "sh", *self._make_cgroups()]
        self.process = subprocess.Popen(command, env=self.environment)
        until("systemd", lambda: self.property("SystemState"), lambda said: said == "running")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0
        for each in self.cgroups:
            inner = sorted((path.parent for path in each.rglob("cgroup.procs")), reverse=True)
            for directory in inner:
                directory.rmdir()

    def _make_cgroups(self) -> list[Path]:
        """Of its own: it moves every process of the one that it starts in (cgroups(7))."""
        one = (CGROUPS / "cgroup.controllers").exists()
        hierarchies = [CGROUPS] if one else [path.parent for path in CGROUPS.glob("*/cgroup.procs")]
        # That of cpuset takes no process before it has been told its processors.
        self.cgroups = [
            each / self.runtime.parents[1].name for each in hierarchies if each.name != "cpuset"
        ]
        for each in self.cgroups:
            each.mkdir()
        return self.cgroups

    def __call__(self, *arguments: str) -> str:
        """What ``systemctl --user`` says."""
        done = subprocess.run(
            ["systemctl", "--user", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def state(self) -> str:
        """Of the unit: ``active``, ``deactivating``, ``inactive`` or ``failed``."""
        return self("is-active", UNIT)

    def property(self, name: str, *unit: str) -> str:
        """A property of the unit, or of the manager."""
        return self("show", f"--property={name}", "--value", *unit)

    def pid(self) -> int:
        """The main process of the unit."""
        return int(self.property("MainPID", UNIT))


@pytest.fixture
def stack() -> Iterator[Supervised]:
    with Supervised(instances=2, stop_grace="60s") as running:
        yield running


def serves(stack: Supervised) -> None:
    http = stack.stack.balancer.http_address[0]
    until("it to serve", lambda: listens(http) and fetch(http, "/").status == 200)
    until("supervisord", stack.stack.supervisor_socket.exists)
    stack.wait_running()


class Request(threading.Thread):
    """In flight on an instance until it is released."""

    def __init__(self, stack: Supervised) -> None:
        super().__init__()
        self.http = stack.stack.balancer.http_address[0]
        self.released = stack.directory / "released"
        self.status = 0
        self.start()
        instances = stack.stack.instances
        until("it to be in flight", lambda: sum(ask(each).busy for each in instances) == 1)

    def run(self) -> None:
        self.status = fetch(self.http, f"/hold{self.released}").status

    def release(self) -> int:
        """Have it answered; the status."""
        self.released.touch()
        self.join()
        return self.status


def test_a_stop_lets_requests_finish(stack: Supervised) -> None:
    with Manager(stack) as systemctl:
        systemctl("start", UNIT)
        serves(stack)
        processes = psutil.Process(systemctl.pid()).children(recursive=True)
        assert len(processes) > 5
        request = Request(stack)
        systemctl("stop", "--no-block", UNIT)
        until("no new connections", lambda: not listens(request.http))
        assert systemctl.state() == "deactivating"
        assert request.release() == 200
        until("its end", systemctl.state, lambda state: state == "inactive")
        assert systemctl.property("Result", UNIT) == "success"
        assert not any(each.is_running() for each in processes)


def test_it_starts_at_boot_and_a_shutdown_lets_requests_finish(stack: Supervised) -> None:
    with Manager(stack) as systemctl:
        systemctl("enable", UNIT)
        assert systemctl.state() == "inactive"
    with Manager(stack) as systemctl:
        serves(stack)
        request = Request(stack)
        systemctl.process.terminate()
        until("no new connections", lambda: not listens(request.http))
        assert request.release() == 200


def test_it_comes_back_when_supervisord_was_killed(stack: Supervised) -> None:
    with Manager(stack) as systemctl:
        systemctl("start", UNIT)
        serves(stack)
        processes = psutil.Process(systemctl.pid()).children(recursive=True)
        before = systemctl.pid()
        psutil.Process(before).kill()
        until("another", systemctl.pid, lambda pid: pid not in (0, before))
        serves(stack)
        assert not any(each.is_running() for each in processes)
