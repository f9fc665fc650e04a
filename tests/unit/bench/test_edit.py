"""Options are set, and nothing else is touched."""

from __future__ import annotations

import contextlib
import difflib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zc.buildout.buildout import Buildout

from zopestack.bench import edit
from zopestack.bench.edit import CannotEdit, write

FILE = """\
# Our site.
[buildout]
parts = stack
instances = 7

[stack]
recipe = zopestack
# How many.
instances =   auto
eggs =
    Plone
    our.policy

# About the zeo.
[zeo]
threads = 9
"""


def set_options(text: str, options: dict[str, str], extended: edit.Sections | None = None) -> str:
    return edit.set_options(text, extended or {}, options)


def changed(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(True), after.splitlines(True))
    return [line for line in lines if line[0] in "+-"]


def test_only_the_values_change():
    after = set_options(FILE, {"instances": "4", "threads": "2"})
    assert changed(FILE, after) == [
        "- instances =   auto\n",
        "+ instances =   4\n",
        "+ threads = 2\n",
    ]
    # Added to the end of its section, before the blank line and the next comment.
    assert "    our.policy\nthreads = 2\n\n# About the zeo.\n[zeo]\n" in after


def test_the_projects_own_file_keeps_its_comments():
    text = (Path(__file__).parents[3] / "buildout.cfg").read_text(encoding="utf-8")
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


def effective(path: Path) -> dict[str, str]:
    """What buildout itself makes of the [stack] of a file."""
    # Buildout goes to the directory of its file.
    with contextlib.chdir(path.parent):
        return dict(Buildout(str(path), [], use_user_defaults=False)._raw["stack"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("threads = 1", "threads = 2"),
        ("threads=1", "threads=2"),
        ("threads  =   1   ", "threads  =   2   "),
        ("threads =\n    1", "threads =\n    2"),
        ("threads =\n# of each\n\n    1\n", "threads =\n# of each\n\n    2\n"),
        ("threads =", "threads = 2"),
        ("threads = 1\nvar = x\nthreads = 3", "threads = 1\nvar = x\nthreads = 2"),
        ("# threads = 1\nvar = x", "# threads = 1\nvar = x\nthreads = 2"),
        ("eggs =\n    threads = 1\n", "eggs =\n    threads = 1\nthreads = 2\n"),
        ("callback-threads = 1", "callback-threads = 1\nthreads = 2"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_the_value_is_found_and_nothing_beside_it(
    tmp_path: Path, before: str, after: str, end: str
) -> None:
    head = "[buildout]\nparts =\n[stack]\nrecipe = zopestack\n"
    path = tmp_path / "buildout.cfg"
    path.write_bytes(f"{head}{before}\n\n[zeo]\n".replace("\n", end).encode())
    write(path, {"threads": "2"})
    assert path.read_bytes().decode() == f"{head}{after}\n\n[zeo]\n".replace("\n", end)
    assert effective(path)["threads"] == "2"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("threads += 1", "adds to what another file has"),
        ("threads -= 1", "adds to what another file has"),
        ("threads = ${other:threads}", "is taken from elsewhere"),
        ("threads =\n    ${other:threads}", "is taken from elsewhere"),
        ("threads = 1\n    2", "threads = 1 2 is more than one word"),
        ("threads = 1 ; of each", "put a comment on a line of its own"),
        ("[stack:python_version > '3']\nthreads = 1", "counts under a condition"),
    ],
)
def test_a_value_that_is_not_one_word_of_this_file_is_left_to_its_owner(
    line: str, said: str
) -> None:
    with pytest.raises(CannotEdit, match=re.escape(said)):
        set_options(f"[stack]\nrecipe = zopestack\n{line}\n", {"threads": "2"})


def test_what_an_extended_file_sets_is_set_here_and_wins(tmp_path: Path) -> None:
    (tmp_path / "base.cfg").write_text("[stack]\nrecipe = zopestack\nthreads = 1\n")
    path = tmp_path / "buildout.cfg"
    path.write_text("[buildout]\nextends = base.cfg\nparts =\n# The end.")
    write(path, {"threads": "2", "instances": "3"})
    assert path.read_text() == (
        "[buildout]\nextends = base.cfg\nparts =\n# The end.\n\n"
        "[stack]\nthreads = 2\ninstances = 3\n"
    )
    assert effective(path)["threads"] == "2"
    assert "threads = 1" in (tmp_path / "base.cfg").read_text()


def test_an_override_in_an_extended_file_that_would_win_is_named(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/base.cfg").write_text("[buildout]\nextends = deeper.cfg")
    (tmp_path / "deep/deeper.cfg").write_text("[instance]\nthreads = 4\n")
    path = tmp_path / "buildout.cfg"
    path.write_text("[buildout]\nextends = deep/base.cfg\n[stack]\nrecipe = zopestack\n")
    with pytest.raises(CannotEdit, match=r"\[instance\] threads = 4, in a file this one extends"):
        write(path, {"threads": "2"})
    write(path, {"nbthread": "2"})


def test_a_section_that_takes_over_another_is_the_one(tmp_path: Path) -> None:
    path = tmp_path / "buildout.cfg"
    path.write_text("[base]\nrecipe = zopestack\nthreads = 1\n\n[stack]\n<= base\n")
    write(path, {"threads": "2"})
    assert path.read_text().endswith("[stack]\n<= base\nthreads = 2\n")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "site.cfg"
    real.write_text(FILE)
    path = tmp_path / "buildout.cfg"
    path.symlink_to(real)
    write(path, {"instances": "4"})
    assert path.is_symlink()
    assert "instances =   4" in real.read_text()


def test_a_file_that_is_not_there_or_no_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotEdit, match="No such file"):
        write(tmp_path / "buildout.cfg", {"threads": "2"})
    (tmp_path / "buildout.cfg").write_text("no section\n")
    with pytest.raises(CannotEdit, match="no section"):
        write(tmp_path / "buildout.cfg", {"threads": "2"})
