"""The programs that measure, which no test runs as a whole, find what they are made of."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

PROGRAMS = [
    ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)
    for path in sorted((CHECKOUT / "tests/system").rglob("*.py"))
    if '__name__ == "__main__"' in path.read_text("utf-8")
]


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_finds_all_that_it_imports(name: str) -> None:
    assert import_module(name)


def test_every_one_that_the_documentation_names_is_there() -> None:
    texts = [path.read_text("utf-8") for path in (CHECKOUT / "docs").rglob("*.rst")]
    named = {each for text in texts for each in re.findall(r"-m (tests(?:\.\w+)+)", text)}
    assert named
    assert named <= {*PROGRAMS}
