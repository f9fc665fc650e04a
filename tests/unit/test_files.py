from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from zopestack import files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_write_makes_directories_and_says_what_changed(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.cfg"
    assert files.write(path, "one\n")
    assert (path.read_text(), mode(path)) == ("one\n", 0o644)
    assert files.write(path, "two\n")
    assert not files.write(path, "two\n")
    assert files.write(path, "two\n", mode=0o600)
    assert mode(path) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["b.cfg"]


def test_an_unchanged_file_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    files.write(path, "same\n")
    os.utime(path, (1, 1))
    files.write(path, "same\n")
    assert path.stat().st_mtime == 1


def test_a_reader_keeps_the_file_it_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    files.write(path, "old and complete\n")
    with open(path) as reader:
        files.write(path, "new\n")
        assert reader.read() == "old and complete\n"


def test_what_is_no_text_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    path.write_bytes(b"\xff\xfe")
    assert files.write(path, "text\n")
    assert path.read_text() == "text\n"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    files.write(path, "old\n")
    with pytest.raises(UnicodeEncodeError):
        files.write(path, "new, as far as this: \ud800")
    assert path.read_text() == "old\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.cfg"]


def test_password_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "var" / "admin-password"
    files.create_password(path)
    password = path.read_text().strip()
    assert len(password) >= 20
    assert mode(path) == 0o600
    files.create_password(path)
    assert path.read_text().strip() == password


def test_every_password_is_another(tmp_path: Path) -> None:
    for name in "ab":
        files.create_password(tmp_path / name)
    assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()


def test_a_password_that_is_there_is_kept_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "admin-password"
    path.write_text("mine\n")
    path.chmod(0o644)
    files.create_password(path)
    assert (path.read_text(), mode(path)) == ("mine\n", 0o600)
