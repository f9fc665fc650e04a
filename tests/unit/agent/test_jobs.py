"""What an instance tells of the stack's backups."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.agent import jobs
from zopestack.backups import jobs as noted

NOW = datetime(2026, 11, 27, 2, 30)


def test_what_the_commands_note_is_what_the_agent_tells(home: Path) -> None:
    stack = describe.read(home)
    noted.succeeded(stack, "backup", NOW)
    noted.failed(stack, "pack", "zeo does not answer", again=False)
    assert {each.name: values for each, values in jobs.figures(str(stack.jobs_file))} == {
        "job_succeeded": {("backup",): NOW.timestamp(), ("pack",): 0},
        "job_failed": {("backup",): 0, ("pack",): 1},
    }


@pytest.mark.parametrize("text", [None, "", "[]", '{"backup": 1}', '{"backup": {}}'])
def test_nothing_is_told_where_nothing_is_known(home: Path, text: str | None) -> None:
    file = home / "jobs.json"
    if text is not None:
        file.write_text(text)
    assert [*jobs.figures(str(file))] == []
