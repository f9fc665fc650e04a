"""Whether what is in a directory has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zopestack.contents import state


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A directory of installed packages."""
    (tmp_path / "recipe" / "__pycache__").mkdir(parents=True)
    (tmp_path / "recipe" / "__init__.py").write_text("answer = 41\n", encoding="utf-8")
    (tmp_path / "recipe" / "gone").symlink_to("nothing")
    return tmp_path


def test_a_package_that_was_changed_is_noticed(packages: Path) -> None:
    module = packages / "recipe" / "__init__.py"
    seen = {state(packages)}
    module.write_text("answer = 4200\n", encoding="utf-8")
    seen.add(state(packages))
    os.utime(module, ns=(1, 1))
    seen.add(state(packages))
    module.rename(module.with_name("other.py"))
    seen.add(state(packages))
    (packages / "recipe").rename(packages / "prescription")
    seen.add(state(packages))
    assert len(seen) == 5


def test_what_python_compiles_is_no_change(packages: Path) -> None:
    before = state(packages)
    (packages / "recipe" / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"compiled")
    (packages / "recipe" / "__init__.pyc").write_bytes(b"compiled")
    assert state(packages) == before


def test_a_file_and_what_is_not_there(tmp_path: Path) -> None:
    library = tmp_path / "library.so"
    seen = {state(library)}
    library.write_bytes(b"one")
    seen.add(state(library))
    # As a package manager replaces it.
    os.utime(library, ns=(1, 1))
    seen.add(state(library))
    other = tmp_path / "other"
    other.write_bytes(b"two")
    os.utime(other, ns=(1, 1))
    other.replace(library)
    seen.add(state(library))
    assert len(seen) == 4
