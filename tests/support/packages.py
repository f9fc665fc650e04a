"""Distributions that exist for one test, and an environment of its own to install them in."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from zipfile import ZipFile

from scripts.bootstrap import read_pins
from tests.support.describe import CHECKOUT
from zopestack.buildout.uv import environment as environment_of_uv


def environment(directory: Path) -> Path:
    """Make a virtual environment that also sees the packages of the tests' own, and has uv.

    :return: the directory of its programs.
    """
    venv.create(directory, symlinks=True)
    (packages,) = directory.glob("lib/python*/site-packages")
    # Read the .pth files there, too: zopestack is installed by one.
    line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (packages / "tests.pth").write_text(line, encoding="utf-8")
    (directory / "bin/uv").symlink_to(Path(sys.executable).parent / "uv")
    return directory / "bin"


def installed(directory: Path, *requirements: str) -> Path:
    """Make a virtual environment with this checkout and distributions of an index, as pinned.

    Buildout finds only what is beside itself, so it has one of its own.

    :return: the directory of its programs.
    :raises subprocess.CalledProcessError: where uv cannot.
    """
    venv.create(directory, symlinks=True)
    python = directory / "bin/python"
    pins = (f"{name}=={pin}\n" for name, pin in read_pins(CHECKOUT / "versions.cfg").items())
    with NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as constraints:
        constraints.writelines(pins)
        constraints.flush()
        subprocess.run(
            (
                *(Path(sys.executable).parent / "uv", "pip", "install", "--system-certs"),
                *("--python", python, "-c", constraints.name, "-e", CHECKOUT, "uv", *requirements),
            ),
            env=environment_of_uv(sys.executable),
            check=True,
        )
    return directory / "bin"


def wheel(
    directory: Path,
    name: str,
    version: str,
    module: str = "",
    entry_points: Mapping[str, str] | None = None,
) -> None:
    """Write the least that is a wheel (its specification, "File contents").

    :param module: the text of its one module, which is named as the distribution is.
    :param entry_points: by group, such as ``{"console_scripts": "run = example:main"}``.
    """
    info = f"{name}-{version}.dist-info"
    points = "".join(f"[{group}]\n{line}\n" for group, line in (entry_points or {}).items())
    with ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", module)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", points)
        archive.writestr(f"{info}/RECORD", "")
