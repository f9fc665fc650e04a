"""What runs without the instances' eggs imports none of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Prints the distributions whose modules are imported together with one, and that the package does
#: not require.
FOREIGN = """
import importlib, sys
from importlib.metadata import distributions
from pathlib import Path
from packaging.requirements import Requirement

found = {each.name.lower().replace("_", "-").replace(".", "-"): each for each in distributions()}
required, waiting = set(), ["zopestack"]
while waiting:
    name = waiting.pop()
    if name not in required and name in found:
        required.add(name)
        given = map(Requirement, found[name].requires or ())
        waiting += [
            each.name.lower().replace("_", "-").replace(".", "-")
            for each in given
            if not each.marker or each.marker.evaluate({"extra": ""})
        ]
before = set(sys.modules)
importlib.import_module(sys.argv[1])
files = {
    module.__file__
    for name in set(sys.modules) - before
    if getattr(module := sys.modules[name], "__file__", None)
}
# The last is what a library uses where it is there.
others = ("setuptools", "pip", "pysocks")
foreign = sorted(
    name
    for name, each in found.items()
    if name not in required and name not in others
    and files & {str(each.locate_file(file)) for file in each.files or ()}
)
print(*foreign)
"""


@pytest.mark.parametrize(
    "module",
    [
        "zopestack.buildout.recipe",
        "zopestack.buildout.extension",
        "zopestack.adopt.cli",
        "zopestack.haproxy.run",
        "zopestack.haproxy.log_writer",
        "zopestack.supervisor.entry",
        "zopestack.supervisor.guard",
        "zopestack.supervisor.munin.cli",
        "zopestack.supervisor.plugin",
        "zopestack.supervisor.reload",
        "zopestack.supervisor.scrapes",
        "zopestack.supervisor.watch",
    ],
)
def test_only_what_the_package_requires(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FOREIGN, module], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == []
