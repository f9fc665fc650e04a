"""What buildout looks up in its own tables, with the real environment of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from zc.buildout.easy_install import pkg_resources

from zopestack.buildout.lookups import OncePerState

#: In a process of its own, because ``pkg_resources`` has one table for each.
RESOLVE = """
import sys
from zc.buildout.easy_install import pkg_resources
from zopestack.buildout.lookups import hasten

scans = []
scan = pkg_resources.Environment.scan
pkg_resources.Environment.scan = lambda *given: scans.append(given) or scan(*given)
if sys.argv[1] == "hastened":
    hasten()
found = pkg_resources.working_set.resolve([pkg_resources.Requirement.parse("Zope")])
print(len(scans), sorted(map(str, found)))
missing = pkg_resources.Requirement.parse("zope.nowhere")
try:
    pkg_resources.working_set.resolve([missing])
except pkg_resources.DistributionNotFound as why:
    print(why)
"""


def _resolve(how: str) -> tuple[int, str]:
    command = [sys.executable, "-c", RESOLVE, how]
    scans, _, found = subprocess.check_output(command, text=True).partition(" ")
    return int(scans), found


def test_no_requirement_makes_buildout_list_everything_again() -> None:
    scans, found = _resolve("hastened")
    before, expected = _resolve("as it is")
    assert "zope.nowhere" in found
    assert (scans, found) == (0, expected)
    assert before > 0


def _install(directory: Path, name: str) -> None:
    metadata = directory / f"{name}-1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")


def test_a_distribution_is_read_once_and_one_that_is_installed_later_is_found(
    tmp_path: Path,
) -> None:
    find = OncePerState(pkg_resources.find_distributions)
    assert list(find(str(tmp_path / "absent"))) == []
    _install(tmp_path, "one")
    (first,) = find(str(tmp_path))
    (again,) = find(str(tmp_path))
    assert again is first
    _install(tmp_path, "two")
    assert {each.key for each in find(str(tmp_path))} == {"one", "two"}


#: As buildout does for each set of eggs.
ONCE = """
from zc.buildout import easy_install
from zopestack.buildout.lookups import hasten

hasten()
pkg_resources = easy_install.pkg_resources
first, second = (pkg_resources.Environment() for _ in range(2))
assert [*first]
print(all(there is here for name in first for there, here in zip(first[name], second[name])))
"""


def test_buildout_reads_each_distribution_once() -> None:
    assert subprocess.check_output([sys.executable, "-c", ONCE], text=True) == "True\n"
