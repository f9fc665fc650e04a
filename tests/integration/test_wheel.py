"""What travels in the built wheel: templates/ and LICENSE are outside of src/."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.describe import CHECKOUT, TEMPLATES

SOURCES = ("src", "templates", "setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE")
TEXTS = ("README.rst", "CHANGES.rst", "versions.cfg", "buildout.cfg")

#: Renders a Stack with the installed package; says where package and templates are.
INSTALLED = """
from pathlib import Path
import zopestack
from zopestack.render.files import packaged_templates, render
from zopestack.config.read import Buildout, read
home = Path.cwd()
stack = read("stack", {"instances": "2"}, {}, Buildout(home, home, home / "p")).stack
assert "server instance2" in render(stack)[stack.haproxy_conf]
print(zopestack.__file__, packaged_templates())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: building leaves its own directories behind."""
    source = tmp_path_factory.mktemp("source")
    leave = shutil.ignore_patterns("*.egg-info", "__pycache__")
    for name in (*SOURCES, *TEXTS):
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, source / name, ignore=leave)
        else:
            shutil.copy(CHECKOUT / name, source / name)
    built = tmp_path_factory.mktemp("built")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", built, source)
    (found,) = built.iterdir()
    return found


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_of_the_product_is_inside(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        for template in TEMPLATES.glob("*.j2"):
            assert archive.read(f"zopestack/templates/{template.name}") == template.read_bytes()
        (licence,) = [name for name in names if name.endswith("/LICENSE")]
        assert archive.read(licence) == (CHECKOUT / "LICENSE").read_bytes()
        (entry_points,) = [name for name in names if name.endswith("/entry_points.txt")]
        assert b"default = zopestack.buildout.recipe:Recipe" in archive.read(entry_points)
    product = CHECKOUT / "src" / "zopestack"
    files = [each for each in product.rglob("*") if each.is_file() and each.suffix != ".pyc"]
    assert {f"zopestack/{each.relative_to(product)}" for each in files} <= set(names)


def test_the_wheel_holds_the_product_only(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    packages = {name.partition("/")[0] for name in names if "dist-info" not in name}
    assert packages == {"zopestack"}
    (listed,) = [name for name in names if name.endswith("/top_level.txt")]
    assert ZipFile(wheel).read(listed).split() == [b"zopestack"]
    assert not [name for name in names if name.startswith("zopestack/bench")]


@pytest.mark.parametrize("module", ["bootstrap", "checks"])
def test_what_only_a_checkout_needs_is_not_in_the_wheel(wheel: Path, module: str) -> None:
    assert f"zopestack/{module}.py" not in ZipFile(wheel).namelist()


def test_installed_it_finds_its_templates(wheel: Path, home: Path, tmp_path: Path) -> None:
    target = tmp_path / "t"
    pip("install", "--no-deps", "--no-index", "--target", target, wheel)
    done = subprocess.run(
        [sys.executable, "-c", INSTALLED],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    package = target / "zopestack"
    assert done.stdout.split() == [str(package / "__init__.py"), str(package / "templates")]
