"""From a bare Python to an environment that has this package and the pinned set.

Runs before anything is installed, so it imports the standard library only. A virtual
environment in .venv, uv from PyPI in it, and then everything else in one go: resolving
one distribution at a time takes 68 s where uv takes 2
(docs/explanation/measured.rst, "Provisioning").

    python -m scripts.bootstrap up|test|chaos|bench|tune [arguments for the command]
"""

from __future__ import annotations

import configparser
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

#: What each command runs once the environment is there, and the extras it needs.
COMMANDS = {
    "up": ("zopestack.supervisor.up", ""),
    "test": ("scripts.checks", "[test]"),
    "chaos": ("tests.system.chaos.run", "[test]"),
    "bench": ("zopestack_bench.cli", "[bench]"),
    "tune": ("zopestack_bench.tune", "[bench]"),
}

ENVIRONMENT = Path(".venv")

#: Variables that are not handed on: what follows runs in the environment.
#: plone.recipe.zope2instance would start instances with PYTHON, which has none of their packages.
#: Without compiled bytecode, every instance compiles all of Zope again at each start.
FORGOTTEN = ("PYTHON", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")

#: What buildout.cfg reads from the environment (see scripts/develop.cfg).
PROVISIONED = """\
# Written by scripts/up: zopestack is installed in this environment, from src/.
[buildout]
develop =
# installed: {stamp}
# directory: {directory}
"""


class Failure(Exception):
    """Something a person must mend; the message says what."""


def main(command: str, *arguments: str) -> None:
    """Prepare the environment and become the command."""
    module, extras = COMMANDS[command]
    try:
        prepare(extras)
    except Failure as why:
        sys.exit(f"{why}")
    python = ENVIRONMENT / "bin" / "python"
    sys.stdout.flush()
    environment = {key: value for key, value in os.environ.items() if key not in FORGOTTEN}
    os.execve(python, [str(python), "-m", module, *arguments], environment)


def prepare(extras: str) -> None:
    """Make the environment hold this package at the pinned versions.

    :param extras: such as ``[test]``, or empty.
    :raises Failure: where a step fails.
    """
    marker = ENVIRONMENT / "provisioned.cfg"
    _forget_another_directory(marker)
    stamp = _stamp(extras)
    if marker.exists() and stamp in marker.read_text(encoding="utf-8"):
        return
    pins = read_pins(Path("versions.cfg"))
    if not (ENVIRONMENT / "bin" / "python").exists():
        say(f"making a virtual environment in {ENVIRONMENT}")
        _make_environment()
    if not _has_uv(pins["uv"]):
        say(f"installing uv {pins['uv']}")
        _run(_python("-m", "pip", "install", "--quiet", f"uv=={pins['uv']}"))
    say("installing zopestack and the pinned set")
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as constraints:
        constraints.writelines(f"{name}=={pin}\n" for name, pin in pins.items())
        constraints.flush()
        install = [str(ENVIRONMENT / "bin" / "uv"), "pip", "install", "--system-certs"]
        install += ["--python", str(ENVIRONMENT / "bin" / "python"), "-c", constraints.name]
        sys.path.insert(0, "src")
        from zopestack.buildout.uv import environment

        told = environment(_python()[0])
        _run([*install, "--quiet", "setuptools", "wheel"], told)
        # With the build tools in place, nothing is fetched to build in isolation.
        _run([*install, "--no-build-isolation-package", "zopestack", "-e", f".{extras}"], told)
    _link_buildout()
    marker.write_text(PROVISIONED.format(stamp=stamp, directory=Path.cwd()), encoding="utf-8")


def read_pins(versions: Path) -> dict[str, str]:
    """The pinned versions by name, from versions.cfg."""
    parser = configparser.RawConfigParser()
    parser.read(versions, encoding="utf-8")
    return dict(parser.items("versions"))


def say(what: str) -> None:
    """One line of progress."""
    print(f"* {what}", flush=True)


def _stamp(extras: str) -> str:
    """Changes when what would be installed changes."""
    digest = hashlib.sha256(f"{sys.version} {Path.cwd()}".encode())
    for name in ("setup.py", "versions.cfg"):
        digest.update(Path(name).read_bytes())
    return f"{digest.hexdigest()[:16]}{extras}"


def _forget_another_directory(marker: Path) -> None:
    """Delete what a checkout that was moved or copied has kept of its old place.

    The scripts of the virtual environment would run those there, and buildout would uninstall the
    files that its record names: the old place's.
    """
    if not marker.exists():
        return
    lines = marker.read_text(encoding="utf-8").splitlines()
    made_in = [line.partition(": ")[2] for line in lines if line.startswith("# directory: ")]
    if made_in and made_in != [str(Path.cwd())]:
        say(f"this checkout was moved or copied from {made_in[0]}; starting afresh")
        shutil.rmtree(ENVIRONMENT)
        Path(".installed.cfg").unlink(missing_ok=True)


def _make_environment() -> None:
    try:
        venv.create(ENVIRONMENT, with_pip=True)
    except (subprocess.CalledProcessError, OSError, ValueError) as why:
        raise Failure(
            f"{sys.executable} cannot make a virtual environment ({why}).\n"
            "On Debian and Ubuntu: apt-get install python3-venv"
        ) from None


def _has_uv(version: str) -> bool:
    try:
        answer = subprocess.run(
            [ENVIRONMENT / "bin" / "uv", "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return answer.stdout.split()[1:2] == [version]


def _python(*arguments: str) -> list[str]:
    return [str(ENVIRONMENT / "bin" / "python"), *arguments]


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode:
        raise Failure(f"this failed, its last lines say why: {' '.join(command)}")


def _link_buildout() -> None:
    link = Path("bin") / "buildout"
    link.parent.mkdir(exist_ok=True)
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..") / ENVIRONMENT / "bin" / "buildout")


if __name__ == "__main__":
    main(*sys.argv[1:])
