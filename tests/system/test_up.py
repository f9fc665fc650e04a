"""scripts/up in a fresh checkout: the one command, run again, and what can go wrong."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import Checkout


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    """A checkout on free ports, not started. ``auto`` would be many on a large machine."""
    with Checkout(instances=2) as made:
        yield made


@pytest.fixture(scope="module")
def first(checkout: Checkout) -> str:
    """What the first run says."""
    return checkout.script("up").stdout


def test_one_command_serves_a_page(checkout: Checkout, first: str) -> None:
    assert checkout.get("/").status == 200
    assert f"http://127.0.0.1:{checkout.ports.http}/" in first
    assert str(checkout.stack.password_file) in first
    assert checkout.admin[1] not in first
    for command in ("status", "tail", "update"):
        assert f"bin/supervisorctl {command}" in first
    for name in checkout.stack.programs:
        assert f"{name} is ready" in first


def test_run_again_it_says_what_runs_and_leaves_it_alone(checkout: Checkout, first: str) -> None:
    before = checkout.pids()
    said = checkout.script("up").stdout
    assert "supervisord is running" in said
    assert "instance1 running" in said
    assert checkout.pids() == before


def test_run_again_it_applies_an_edit(checkout: Checkout, first: str) -> None:
    before = checkout.pids()
    instances = len(checkout.stack.instances) + 1
    checkout.configure(instances=instances)
    checkout.script("up")
    assert len(checkout.servers()) == instances
    assert all(server.up for server in checkout.servers().values())
    assert checkout.pids()["instance1"] == before["instance1"]


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    ("option", "process", "value"),
    [
        ("http-address", "haproxy", "127.0.0.1:{port}"),
        ("stats-address", "haproxy's status page", "127.0.0.1:{port}"),
        ("zeo-address", "zeo", "127.0.0.1:{port}"),
        ("base-port", "instance1", "{port}"),
    ],
)
def test_taken_port_is_named_with_the_option_that_moves_it(
    checkout: Checkout, option: str, process: str, value: str
) -> None:
    before, pids = checkout.options[option], checkout.pids()
    with socket.create_server(("127.0.0.1", checkout.ports.spare)):
        checkout.configure("", **{option: value.format(port=checkout.ports.spare)})
        done = checkout.script("up", check=False)
    assert done.returncode == 1
    assert f"{process} cannot listen on 127.0.0.1:{checkout.ports.spare}" in done.stdout
    assert f"Change {option} in [stack]" in done.stdout
    assert "Traceback" not in done.stdout
    # Nothing that ran was touched, and the edit is easily taken back.
    assert checkout.pids() == pids
    checkout.configure("", **{option: before})
    assert "supervisord is running" in checkout.script("up").stdout
    assert checkout.pids() == pids
    assert checkout.get("/").status == 200


@pytest.mark.usefixtures("first")
def test_instance_that_does_not_start_is_named_with_its_log(checkout: Checkout) -> None:
    instances = len(checkout.stack.instances) + 1
    # Wrong under supervisord only: bin/buildout finds what is wrong everywhere.
    program = "__import__('os').environ.get('SUPERVISOR_PROCESS_NAME')"
    wrong = f"assert {program} != 'instance{instances}', 'rubbish'"
    checkout.configure(f"[instance{instances}]\ninitialization = {wrong}\n", instances=instances)
    done = checkout.script("up", check=False)
    checkout.configure(instances=instances - 1)
    assert done.returncode == 1
    assert f"instance{instances}: supervisord gave up starting it" in done.stdout
    assert "rubbish" in done.stdout
    assert "instance1:" not in done.stdout
    # The others go on.
    assert checkout.get("/").status == 200


@pytest.mark.usefixtures("first")
def test_wrong_option_is_one_message_and_changes_nothing(checkout: Checkout) -> None:
    pids = checkout.pids()
    checkout.configure(treads=2)
    done = checkout.script("up", check=False)
    del checkout.options["treads"]
    checkout.configure()
    assert done.returncode == 1
    assert "[stack] treads = 2" in done.stdout
    assert "there is no such option; did you mean threads?" in done.stdout
    assert "Traceback" not in done.stdout
    assert checkout.pids() == pids


@pytest.mark.parametrize("script", ["up", "test"])
def test_old_python_is_named(checkout: Checkout, script: str) -> None:
    old = checkout.directory / "python3.8"
    old.write_text(
        '#!/bin/sh\nif [ "$1" = --version ]; then echo Python 3.8.18; else exit 1; fi\n',
        encoding="utf-8",
    )
    old.chmod(0o755)
    done = checkout.script(script, check=False, PYTHON=str(old))
    assert done.returncode == 1
    assert "needs Python 3.11 to 3.14; found Python 3.8.18" in done.stdout
    assert "PYTHON=" in done.stdout


def test_no_python_is_said(checkout: Checkout) -> None:
    path = checkout.directory / "path"
    path.mkdir()
    for tool in ("sh", "dirname", "cat"):
        found = shutil.which(tool)
        assert found
        (path / tool).symlink_to(Path(found))
    done = checkout.script("up", check=False, PATH=str(path))
    assert done.returncode == 1
    assert "needs Python 3.11 to 3.14; found no Python at all" in done.stdout
