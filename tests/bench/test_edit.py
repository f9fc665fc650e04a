"""Options are set, and nothing else is touched."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zopestack.bench.edit import CannotEdit, set_options
from zopestack.bench.tune import write

FILE = """\
# Our site.
[buildout]
parts = stack   ; the only one
instances = 7

[stack]
recipe = zopestack
# How many.
instances =   auto   ; one a core
eggs =
    Plone
    our.policy

# About the zeo.
[zeo]
threads = 9
"""


def changed(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(True), after.splitlines(True))
    return [line for line in lines if line[0] in "+-"]


def test_only_the_values_change():
    after = set_options(FILE, {"instances": "4", "threads": "2"})
    assert changed(FILE, after) == [
        "- instances =   auto   ; one a core\n",
        "+ instances =   4   ; one a core\n",
        "+ threads = 2\n",
    ]
    # Added to the end of its section, before the blank line and the next comment.
    assert "    our.policy\nthreads = 2\n\n# About the zeo.\n[zeo]\n" in after


def test_the_projects_own_file_keeps_its_comments():
    text = (Path(__file__).parents[2] / "buildout.cfg").read_text(encoding="utf-8")
    after = set_options(text, {"instances": "3", "threads": "2"})
    assert [line[0] for line in changed(text, after)] == ["-", "+", "-", "+"]


@given(st.integers(1, 99), st.integers(1, 9))
def test_setting_twice_is_setting_once(instances, threads):
    options = {"instances": str(instances), "threads": str(threads)}
    once = set_options(FILE, options)
    assert set_options(once, options) == once


def test_line_ends_and_a_missing_last_one_stay():
    windows = "[stack]\r\nrecipe = zopestack\r\ninstances = 2\r\n"
    assert set_options(windows, {"instances": "4", "threads": "1"}) == (
        "[stack]\r\nrecipe = zopestack\r\ninstances = 4\r\nthreads = 1\r\n"
    )
    assert set_options("[s]\nrecipe=zopestack", {"threads": "1"}) == (
        "[s]\nrecipe=zopestack\nthreads = 1\n"
    )


def test_a_file_without_the_section_is_refused():
    with pytest.raises(CannotEdit, match="no section with recipe = zopestack"):
        set_options("[buildout]\nparts =\n", {"threads": "1"})


def test_an_override_that_would_win_is_named():
    with pytest.raises(CannotEdit, match=r"\[instance2\] threads = 4 wins"):
        set_options(FILE + "[instance2]\nthreads = 4\n", {"threads": "1"})


def test_the_file_is_replaced_in_one_step_with_its_mode(tmp_path):
    path = tmp_path / "buildout.cfg"
    path.write_text(FILE, encoding="utf-8")
    path.chmod(0o640)
    write(path, {"threads": "2"})
    assert "threads = 2\n" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o640
