"""The units for systemd: what systemd says of them, and that the stack runs as they start it."""

from __future__ import annotations

import configparser
import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import describe
from tests.support.polling import PATIENCE, until
from tests.support.started import Started
from tests.support.supervised import Supervised
from zopestack import files
from zopestack.model import Stack
from zopestack.render.files import render
from zopestack.render.programs import programs

UNITS = ("system", "user")


def units(home: Path, **options: str) -> dict[str, Path]:
    """Both units of a stack, with the program that they start."""
    stack = describe.read(home, {name.replace("_", "-"): value for name, value in options.items()})
    for path, text in render(stack).items():
        files.write(path, text)
    files.write(stack.bin / "supervisord", "#!/bin/sh\n", mode=0o755)
    return dict(zip(UNITS, (stack.system_unit, stack.user_unit), strict=True))


def service(unit: Path) -> configparser.SectionProxy:
    read = configparser.ConfigParser(interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(unit)
    return read["Service"]


@pytest.mark.parametrize("manager", UNITS)
@pytest.mark.parametrize("port", ["8080", "80"])
def test_systemd_accepts_it(home: Path, manager: str, port: str) -> None:
    unit = units(home, http_address=port)[manager]
    done = subprocess.run(
        ["systemd-analyze", f"--{manager}", "verify", unit],
        # A user's manager needs it.
        env={**os.environ, "XDG_RUNTIME_DIR": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_is_enabled_under_any_name(home: Path) -> None:
    """As docs/howto/deploy.rst has it, in a root directory of its own."""
    unit, root = units(home)["system"], home / "root"
    (root / unit.relative_to("/")).parent.mkdir(parents=True)
    shutil.copy(unit, root / unit.relative_to("/"))
    link = root / "etc/systemd/system/mysite.service"
    link.parent.mkdir(parents=True)
    link.symlink_to(unit)
    subprocess.run(
        ["systemctl", f"--root={root}", "enable", "mysite"], capture_output=True, check=True
    )
    wanted = root / "etc/systemd/system/multi-user.target.wants/mysite.service"
    assert wanted.readlink() == unit


def test_a_stop_gets_the_time_of_every_program(home: Path) -> None:
    stack = describe.read(home, {"instances": "3", "stop-grace": "5m"})
    needed = sum(each.stopwaitsecs for each in programs(stack, {}))
    assert needed > 4 * 300
    for unit in units(home, instances="3", stop_grace="5m").values():
        assert needed < int(service(unit)["TimeoutStopSec"]) < needed + 60


def test_the_account_is_that_of_the_files_and_may_do_what_the_stack_needs(home: Path) -> None:
    usual = service(units(home)["system"])
    assert usual["User"] == getpass.getuser()
    assert "AmbientCapabilities" not in usual
    low = units(home, http_address="80", max_connections="400000")
    assert service(low["system"])["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    assert int(service(low["system"])["LimitNOFILE"].partition(":")[2]) > 800_000
    assert not {"User", "AmbientCapabilities", "LimitNOFILE"} & {*service(low["user"])}


@pytest.fixture
def stack() -> Iterator[Stack]:
    with Supervised(idle=True) as running:
        command = service(running.stack.system_unit)["ExecStart"].split()
        # As systemd starts it: systemd.exec(5), "NoNewPrivileges".
        with Started(
            ["setpriv", "--no-new-privs", *command],
            env=running.environment,
            stdout=subprocess.DEVNULL,
        ) as supervisord:
            until("supervisord", running.stack.supervisor_socket.exists)
            running.wait_running()
            assert running.stack.system_unit.exists()
            yield running.stack
            # As KillMode=mixed has it, to the main process only.
            processes = psutil.Process(supervisord.pid).children(recursive=True)
            supervisord.terminate()
            assert supervisord.wait(PATIENCE) == 0
            assert len(processes) > 5
            assert not any(each.is_running() for each in processes)


def test_it_runs_and_ends_as_systemd_has_it_and_is_the_only_one(stack: Stack) -> None:
    second = subprocess.run(
        [stack.bin / "supervisord", "-n"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert second.returncode != 0
    assert "supervisord of this stack runs already, pid" in second.stderr
