"""Distributions that exist for one test, and an environment of its own to install them in."""

from __future__ import annotations

import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile


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
