"""What a loader notes of the code that it has loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from zopestack.contents import state
from zopestack.loader.code import NOTE, states

#: Loads a package that is not on ``sys.path``, and a library, as Zope loads products.
LOAD = """
import ctypes, sys
from importlib.util import module_from_spec, spec_from_file_location
from zopestack.loader import code

_, socket, zope_conf, product, library = sys.argv
sys.path.append(product.rpartition("/")[0] + "/path")
loaded = code.before(zope_conf)
spec = spec_from_file_location(
    "product", f"{product}/__init__.py", submodule_search_locations=[product]
)
sys.modules["product"] = module = module_from_spec(spec)
spec.loader.exec_module(module)
ctypes.CDLL(library)
code.note(socket, loaded)
"""


@pytest.fixture
def noted(tmp_path: Path) -> dict[str, str]:
    """The state of each place; the directory has one of each kind."""
    for directory in ("path/package", "etc", "product"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "path/package/page.pt").write_text("old", encoding="utf-8")
    (tmp_path / "product/__init__.py").touch()
    library = tmp_path / "library.so"
    library.write_bytes(_any_library().read_bytes())
    files = (tmp_path / "loader.sock", tmp_path / "etc/zope.conf", tmp_path / "product", library)
    subprocess.run([sys.executable, "-c", LOAD, *files], check=True, timeout=60)
    found: dict[str, str] = json.loads((tmp_path / f"loader.sock{NOTE}").read_text("utf-8"))
    return found


def _any_library() -> Path:
    """One that this Python has loaded."""
    maps = Path("/proc/self/maps").read_text("utf-8")
    return next(Path(line.split()[-1]) for line in maps.splitlines() if "/libm" in line)


def changed(noted: dict[str, str]) -> set[str]:
    return {place for place, before in noted.items() if state(Path(place)) != before}


@pytest.mark.parametrize(
    "what", ["path/package/page.pt", "etc/site.zcml", "product/configure.zcml"]
)
def test_a_file_that_is_new_or_another_is_noticed(
    noted: dict[str, str], tmp_path: Path, what: str
) -> None:
    assert changed(noted) == set()
    (tmp_path / what).write_text("another", encoding="utf-8")
    assert changed(noted) == {str(tmp_path / what.partition("/")[0])}


def test_a_library_that_was_upgraded_is_noticed(noted: dict[str, str], tmp_path: Path) -> None:
    library = tmp_path / "library.so"
    new = tmp_path / "library.so.new"
    new.write_bytes(library.read_bytes())
    new.rename(library)
    assert changed(noted) == {str(library)}


def test_what_python_compiles_or_the_stack_writes_is_no_change(
    noted: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "path/package/__pycache__").mkdir()
    (tmp_path / "path/package/__pycache__/page.pyc").touch()
    (tmp_path / "loader.sock").touch()
    assert changed(noted) == set()


def test_what_is_in_another_place_is_noted_once(tmp_path: Path) -> None:
    inner = tmp_path / "lib/python/site-packages"
    inner.mkdir(parents=True)
    assert [*states([inner, tmp_path / "lib", tmp_path / "library"])] == [
        str(tmp_path / "lib"),
        str(tmp_path / "library"),
    ]
    assert states([inner], known=[str(tmp_path / "lib")]) == {}
