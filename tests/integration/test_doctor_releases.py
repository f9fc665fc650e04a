"""What ``doctor --releases`` finds: real pip looks, in an index of the test's."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support import describe, packages
from zopestack.supervisor.doctor import look, pins
from zopestack.supervisor.doctor.finding import Severity
from zopestack.supervisor.doctor.look import Look
from zopestack.supervisor.stopped import Stopped


def given(home: Path, installed: Mapping[str, str]) -> Look:
    """A look at a stack with these packages."""
    found = Look(describe.read(home))
    # In the place of what has been asked for once.
    found.__dict__["distributions"] = installed
    return found


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which pip looks, and nowhere else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path


def test_newer_releases_of_the_same_branch(home: Path, index: Path) -> None:
    for name, release in (
        ("waitress", "3.0.2"),
        ("waitress", "3.0.3"),
        ("waitress", "3.0.4rc1"),
        ("waitress", "3.1.0"),
        ("zope_interface", "8.7"),
        ("pytz", "2026.6.1"),
    ):
        packages.wheel(index, name, release)
    installed = {"waitress": "3.0.2", "zope-interface": "8.7", "pytz": "2026.6", "own": "1"}
    (found,) = pins.releases(given(home, installed))
    assert found.evidence == (
        "2 of 4 packages (1 of which the index has no release: own) have a newer release of the "
        "same branch: pytz 2026.6 (2026.6.1), waitress 3.0.2 (3.0.3)"
    )
    assert found.severity == Severity.ADVICE
    current = {"waitress": "3.0.3", "zope-interface": "8.7"}
    assert [*pins.releases(given(home, current))] == []


def test_an_index_that_does_not_answer(
    home: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
    with pytest.raises(Stopped, match="the index of packages cannot be asked: "):
        list(pins.releases(given(home, {"waitress": "3.0.2"})))


def interpreted(home: Path, script: str) -> Look:
    """A look at a stack whose first instance has this script for its interpreter."""
    found = Look(describe.read(home))
    interpreter = found.stack.parts / "instance1/bin/interpreter"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(f"#!/bin/sh\n{script}\n")
    interpreter.chmod(0o755)
    return found


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo first >&2; echo no module >&2; exit 3", "interpreter ended with 3: no module"),
        ("exit 4", "interpreter ended with 4: "),
        ("exec sleep 60", "interpreter has not ended within 0.1 s"),
    ],
)
def test_an_interpreter_that_fails_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr(look, "TIMEOUT", 0.1 if "sleep" in script else 60)
    with pytest.raises(Stopped) as stopped:
        interpreted(home, script).distributions  # noqa: B018
    assert str(stopped.value).startswith(f"cannot tell what is installed: {home}/parts/")
    assert str(stopped.value).endswith(said)


def test_an_instance_that_is_not_made_yet_is_one_line(home: Path) -> None:
    with pytest.raises(Stopped, match=r"interpreter: No such file or directory$"):
        Look(describe.read(home)).distributions  # noqa: B018


def test_what_is_installed_is_asked_of_the_instance(home: Path) -> None:
    found = interpreted(home, f'exec {sys.executable} "$@"').distributions
    assert found["waitress"] == version("waitress")
    # It is developed here.
    assert "zopestack" not in found
