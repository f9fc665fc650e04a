"""Options are set in a block of their own, and nothing else is touched."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zc.buildout.buildout import Buildout

from zopestack_bench import Broken
from zopestack_bench.edit import BEGIN, END, write

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


def block(*lines: str, name: str = "stack") -> str:
    return "\n".join(["", BEGIN, f"[{name}]", *lines, END, ""])


def effective(path: Path, section: str = "stack") -> dict[str, str]:
    """What buildout itself makes of a section of a file."""
    # Buildout goes to the directory of its file.
    with contextlib.chdir(path.parent):
        return dict(Buildout(str(path), [], use_user_defaults=False)._raw[section])


@pytest.fixture
def path(home: Path) -> Path:
    return home / "buildout.cfg"


def test_every_line_stays_and_the_block_wins(path: Path) -> None:
    path.write_text(FILE)
    write(path, {"instances": "4", "threads": "2"})
    assert path.read_text() == FILE + block("instances = 4", "threads = 2")
    found = effective(path)
    assert (found["instances"], found["threads"]) == ("4", "2")
    assert found["eggs"].split() == ["Plone", "our.policy"]
    assert effective(path, "zeo") == {"threads": "9"}


def test_without_the_block_the_file_is_as_it_was(path: Path) -> None:
    path.write_text(FILE)
    write(path, {"threads": "2"})
    text = path.read_text()
    assert text[: text.index(BEGIN)].rstrip() + "\n" == FILE


def test_the_projects_own_file_takes_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = Path(__file__).parents[3]
    text = (checkout / "buildout.cfg").read_text(encoding="utf-8")
    for name in ("versions.cfg", "scripts/develop.cfg"):
        text = text.replace(name, str(checkout / name))
    path.write_text(text)
    # Where buildout looks for what it may extend.
    monkeypatch.chdir(path.parent)
    write(path, {"instances": "3"})
    assert path.read_text().startswith(text)


@given(st.integers(1, 99), st.integers(1, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_setting_twice_is_setting_once(path: Path, instances: int, threads: int) -> None:
    path.write_text(FILE)
    options = {"instances": str(instances), "threads": str(threads)}
    write(path, options)
    once = path.read_text()
    write(path, options)
    assert path.read_text() == once


def test_a_later_block_keeps_what_an_earlier_one_found(path: Path) -> None:
    path.write_text(FILE)
    write(path, {"instances": "4", "threads": "2"})
    # What a user adds below stays.
    path.write_text(path.read_text() + "\n[mine]\nx = 1\n")
    write(path, {"threads": "1", "nbthread": "2"})
    assert path.read_text().count(BEGIN) == 1
    found = effective(path)
    assert [found[each] for each in ("instances", "threads", "nbthread")] == ["4", "1", "2"]
    assert effective(path, "mine") == {"x": "1"}


def test_line_ends_and_a_missing_last_one_stay(path: Path) -> None:
    path.write_bytes(b"[stack]\r\nrecipe = zopestack\r\ninstances = 2\r\n")
    write(path, {"instances": "4"})
    lines = path.read_bytes().split(b"\r\n")
    assert not any(b"\n" in line for line in lines)
    assert lines[-3:] == [b"instances = 4", END.encode(), b""]
    path.write_text("[s]\nrecipe=zopestack")
    write(path, {"threads": "1"})
    assert path.read_text() == "[s]\nrecipe=zopestack\n" + block("threads = 1", name="s")


@pytest.mark.parametrize(
    "before",
    [
        "threads = 1",
        "threads  =   1   ",
        "threads =\n    1",
        "threads =\n# of each\n\n    1\n",
        "threads =",
        "threads = 1\nvar = x\nthreads = 3",
        "# threads = 1\nvar = x",
        "eggs =\n    threads = 1\n",
        "callback-threads = 1",
        "threads = ${other:threads}",
        "threads = 1\n    2",
        "threads = 1 ; of each",
        "[stack:python_version > '3']\nthreads = 1",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_whatever_stands_there_the_block_wins_and_the_rest_stays(
    path: Path, before: str, end: str
) -> None:
    text = f"[buildout]\nparts =\n[stack]\nrecipe = zopestack\n{before}\n\n[zeo]\nx = y\n"
    text = text.replace("\n", end)
    path.write_bytes(text.encode())
    others = {key: value for key, value in effective(path).items() if key != "threads"}
    write(path, {"threads": "2"})
    assert path.read_bytes().decode().startswith(text)
    assert effective(path) == {**others, "threads": "2"}
    assert effective(path, "zeo") == {"x": "y"}


@pytest.mark.parametrize("line", ["threads += 1", "threads -= 1"])
def test_a_line_that_adds_to_another_file_is_left_to_its_owner(path: Path, line: str) -> None:
    path.write_text(f"[stack]\nrecipe = zopestack\n{line}\n")
    with pytest.raises(Broken, match=re.escape(f"[stack] {line} adds to what another file has")):
        write(path, {"threads": "2"})


def test_a_file_without_the_section_is_refused(path: Path) -> None:
    path.write_text("[buildout]\nparts =\n")
    with pytest.raises(Broken, match="no section has recipe = zopestack"):
        write(path, {"threads": "1"})


@pytest.mark.parametrize("name", ["instance", "instance2"])
def test_an_override_that_would_win_is_named(path: Path, name: str) -> None:
    path.write_text(f"{FILE}[{name}]\nthreads = 4\n")
    with pytest.raises(Broken, match=rf"\[{name}\] threads \(buildout.cfg:18\) wins over"):
        write(path, {"threads": "1"})


def test_the_file_is_replaced_in_one_step_with_its_mode(path: Path) -> None:
    path.write_text(FILE, encoding="utf-8")
    path.chmod(0o640)
    write(path, {"threads": "2"})
    assert "threads = 2\n" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_an_extended_file_sets_is_set_here_and_wins(path: Path) -> None:
    (path.parent / "base.cfg").write_text(
        "[base]\nthreads = 3\n[stack]\nrecipe = zopestack\nthreads += 1\n"
    )
    text = "[buildout]\nextends = base.cfg\nparts =\n# The end."
    path.write_text(text)
    before = (path.parent / "base.cfg").read_text()
    write(path, {"threads": "2", "instances": "3"})
    assert path.read_text() == f"{text}\n" + block("threads = 2", "instances = 3")
    assert effective(path)["threads"] == "2"
    assert (path.parent / "base.cfg").read_text() == before


def test_an_override_in_an_extended_file_that_would_win_is_named(path: Path) -> None:
    deep = path.parent / "deep"
    deep.mkdir()
    (deep / "base.cfg").write_text("[buildout]\nextends = deeper.cfg")
    (deep / "deeper.cfg").write_text("[instance]\nthreads = 4\n")
    path.write_text("[buildout]\nextends = deep/base.cfg\n[stack]\nrecipe = zopestack\n")
    with pytest.raises(Broken, match=r"\[instance\] threads \(deep/deeper.cfg:2\) wins"):
        write(path, {"threads": "2"})
    write(path, {"nbthread": "2"})


def test_a_section_that_takes_over_another_is_the_one(path: Path) -> None:
    text = "[buildout]\nparts =\n[base]\nrecipe = zopestack\nthreads = 1\n\n[stack]\n<= base\n"
    path.write_text(text)
    write(path, {"threads": "2"})
    assert path.read_text() == text + block("threads = 2")
    with contextlib.chdir(path.parent):
        assert Buildout(str(path), [], use_user_defaults=False)["stack"]["threads"] == "2"


def test_a_link_stays_a_link(path: Path) -> None:
    (path.parent / "real").mkdir()
    real = path.parent / "real" / "site.cfg"
    real.write_text(FILE)
    path.symlink_to(real)
    write(path, {"instances": "4"})
    assert path.is_symlink()
    assert "instances = 4" in real.read_text()


def test_a_file_that_is_not_there_or_no_configuration_is_refused(path: Path) -> None:
    with pytest.raises(Broken, match="No such file"):
        write(path, {"threads": "2"})
    path.write_text("no section\n")
    with pytest.raises(Broken, match="no section"):
        write(path, {"threads": "2"})
