from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import describe
from zopestack import stack_file


def test_what_was_written_is_read(home: Path) -> None:
    (home / "mine").mkdir()
    options = {"http-address": "[::1]:8080", "instances": "3", "templates": "mine"}
    stack = describe.read(home, options, {"instance2": {"threads": "2"}})
    (home / "stack.json").write_text(stack_file.dumps(stack))
    assert stack_file.load(home / "stack.json") == stack


def test_without_a_buildout_there_is_none(home: Path) -> None:
    with pytest.raises(FileNotFoundError):
        stack_file.load(home / "stack.json")


@pytest.mark.parametrize("text", ['{"directory": "/"}', "{", "[]"])
def test_one_of_another_version_says_what_to_do(home: Path, text: str) -> None:
    (home / "stack.json").write_text(text)
    with pytest.raises(OSError, match="another version of zopestack: run bin/buildout"):
        stack_file.load(home / "stack.json")
