"""A stack makes nothing outside its directory, and two stacks of one user never meet."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import describe, freeports
from tests.support.polling import PATIENCE, until
from tests.support.started import Started
from tests.support.supervised import Supervised
from zopestack import files
from zopestack.haproxy.program import NO_STATE
from zopestack.model import Stack
from zopestack.render.files import render

#: A log that another supervisord has made in the usual place, and would miss.
OTHERS = "worker-stdout---supervisor-0a1b2c.log"


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory for temporary files of the whole machine."""
    directory = tmp_path_factory.mktemp("common")
    (directory / OTHERS).write_text("another's")
    return directory


@pytest.fixture(scope="module")
def stack(common: Path) -> Iterator[Supervised]:
    with Supervised(instances=1) as running:
        running.environment["TMPDIR"] = str(common)
        running.start()
        yield running


def test_the_common_directory_is_as_it_was(stack: Supervised, common: Path) -> None:
    assert [path.name for path in common.iterdir()] == [OTHERS]


def test_processes_write_below_the_stacks_own_directory(stack: Supervised) -> None:
    own = str(stack.directory)
    for process in stack.processes():
        written = [each.path for each in process.open_files() if each.mode != "r"]
        assert [path for path in written if not path.startswith((own, "/dev/"))] == []


def test_temporary_files_of_every_program_are_in_var(stack: Supervised) -> None:
    for name, pid in stack.pids().items():
        assert psutil.Process(pid).environ()["TMPDIR"] == str(stack.stack.temporary), name


@pytest.fixture
def neighbours(home: Path, program: Path) -> Iterator[list[Stack]]:
    """Two stacks that have one address in common."""
    blocks = [freeports.reserve(), freeports.reserve()]
    stacks = []
    for name, ports in zip("ab", blocks, strict=True):
        options = {
            "instances": "1",
            "haproxy": str(program),
            "http-address": f"{blocks[0].http}",
            "stats-address": f"{ports.stats}",
            "base-port": f"{ports.base}",
            "agent-base-port": f"{ports.base + 20}",
        }
        (home / name).mkdir()
        stack = describe.read(home / name, options)
        for path, text in render(stack).items():
            files.write(path, text)
        files.write(stack.server_state, NO_STATE)
        stacks.append(stack)
    yield stacks
    for ports in blocks:
        ports.release()


def test_two_haproxies_do_not_share_an_address(neighbours: list[Stack]) -> None:
    """By itself, HAProxy opens its sockets with SO_REUSEPORT (its manual, "noreuseport")."""
    first, second = neighbours
    with Started(command(first), stderr=subprocess.DEVNULL) as running:
        until("the first to listen", first.haproxy_socket.is_socket)
        done = subprocess.run(
            command(second), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode != 0
        assert "Address already in use" in done.stderr
        assert running.poll() is None
        running.terminate()


def command(stack: Stack) -> list[str]:
    return [str(stack.balancer.executable), "-W", "-db", "-f", str(stack.haproxy_conf)]
