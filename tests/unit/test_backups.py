"""Backups: when they are due, which one is chosen, and what is known of the last."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.backups import catalog, jobs
from zopestack.backups.failed import Failed
from zopestack.buildout.parts import parts
from zopestack.features.backups import Schedule
from zopestack.model import Stack
from zopestack.render.programs import programs
from zopestack.supervisor import schedule

#: A Friday.
NOW = datetime(2026, 11, 27, 14, 5, 30)

BOTH = {"backup": "daily 02:30 keep 3", "pack": "weekly keep 7d"}


def read(home: Path, **options: str) -> Stack:
    return describe.read(home, {"instances": "1", **options})


@pytest.fixture
def stack(home: Path) -> Stack:
    made = read(home, **BOTH)
    made.var.mkdir()
    made.backups.backup_directory.mkdir()
    return made


@pytest.mark.parametrize(
    ("text", "meant", "due"),
    [
        ("hourly keep 48", Schedule(None, 0, None, 48), "2026-11-27 15:00"),
        ("daily 02:30 keep 14", Schedule(2, 30, None, 14), "2026-11-28 02:30"),
        ("daily 14:06 keep 1", Schedule(14, 6, None, 1), "2026-11-27 14:06"),
        ("daily keep 14", Schedule(3, 30, None, 14), "2026-11-28 03:30"),
        ("weekly keep 8", Schedule(3, 30, 6, 8), "2026-11-29 03:30"),
        ("weekly fri 14:05 keep 8", Schedule(14, 5, 4, 8), "2026-12-04 14:05"),
        ("weekly  thursday\n00:00 keep 8", Schedule(0, 0, 3, 8), "2026-12-03 00:00"),
    ],
)
def test_a_schedule_says_when_and_what_is_kept(
    home: Path, text: str, meant: Schedule, due: str
) -> None:
    found = read(home, backup=text).backups.backup
    assert found == meant
    assert f"{found.after(NOW):{jobs.MINUTE}}" == due


def test_a_job_is_never_due_at_the_time_it_was_tried() -> None:
    hourly = Schedule(None, 0, None, 1)
    assert hourly.after(datetime(2026, 11, 27, 23, 0)) == datetime(2026, 11, 28, 0, 0)


def test_nothing_runs_by_itself_unless_it_is_asked_for(home: Path) -> None:
    assert "schedule" not in {each.name for each in programs(read(home), {})}
    assert not read(home).backups.jobs
    assert "schedule" in {each.name for each in programs(read(home, pack="daily keep 1d"), {})}


def test_a_directory_inside_var_is_no_mistake_where_nobody_backs_up(home: Path) -> None:
    assert read(home, var=".").backups.backup_directory == home / "backups"


def test_the_commands_are_there_without_any_option(home: Path) -> None:
    found = describe.described(home, {"instances": "1"})
    made = parts(found.stack, found.overrides)
    assert made["stack-backups"]["scripts"].split() == ["backup", "restore", "run-schedule"]
    assert made["stack-pack"]["scripts"].split() == ["pack", "zeopack"]
    for part in ("stack-backups", "stack-pack"):
        assert str(found.stack.stack_file) in made[part]["arguments"]


def test_what_is_seen_for_the_first_time_waits_for_its_time(stack: Stack) -> None:
    assert schedule.due(stack, NOW) == ("", schedule.LONGEST)
    assert schedule.due(stack, datetime(2026, 11, 28, 2, 0)) == ("", 30 * 60)
    assert schedule.due(stack, datetime(2026, 11, 28, 2, 30)) == ("backup", 0)


def test_what_was_missed_is_made_up_for_and_a_backup_comes_before_a_pack(stack: Stack) -> None:
    schedule.due(stack, NOW)
    later = NOW + timedelta(days=30)
    assert schedule.due(stack, later) == ("backup", 0)
    jobs.began(stack, "backup", later)
    assert schedule.due(stack, later) == ("pack", 0)
    jobs.began(stack, "pack", later)
    assert schedule.due(stack, later) == ("", schedule.LONGEST)


def test_what_is_known_is_told(stack: Stack) -> None:
    assert list(jobs.told(stack, NOW)) == [
        "backup: none yet; next 2026-11-28 02:30",
        "pack: none yet; next 2026-11-29 03:30",
    ]
    jobs.began(stack, "backup", NOW)
    jobs.succeeded(stack, "backup", NOW)
    later = NOW + timedelta(hours=26, minutes=7)
    assert "backup: last 2026-11-27 14:05, 26:07 h ago; next" in next(jobs.told(stack, later))
    jobs.began(stack, "backup", later)
    jobs.failed(stack, "backup", "the disk is full", again=False)
    said = next(jobs.told(stack, NOW + timedelta(days=3)))
    assert said == (
        "backup: FAILED: the disk is full; last 2026-11-27 14:05, 3 days 0 h ago; "
        "next 2026-11-29 02:30"
    )
    jobs.succeeded(stack, "backup", later)
    assert "FAILED" not in next(jobs.told(stack, later))
    assert stack.jobs_file.stat().st_mode & 0o777 == 0o600


def test_what_was_stopped_is_still_due_and_what_failed_is_not(stack: Stack) -> None:
    jobs.began(stack, "backup", NOW)
    jobs.succeeded(stack, "backup", NOW)
    jobs.began(stack, "pack", NOW)
    night = datetime(2026, 11, 28, 2, 30)
    for again, due in ((False, ("", schedule.LONGEST)), (True, ("backup", 0))):
        jobs.began(stack, "backup", night)
        jobs.failed(stack, "backup", "why", again)
        assert schedule.due(stack, night + timedelta(minutes=5)) == due


def test_a_damaged_note_is_as_none(stack: Stack) -> None:
    for text in ("", "[]", '{"backup": 1}', '{"backup": {"when": 1}}'):
        stack.jobs_file.write_text(text)
        assert jobs.load(stack) == {}
    assert schedule.due(stack, NOW) == ("", schedule.LONGEST)


def backup(stack: Stack, name: str, of: str = "") -> Path:
    directory = stack.backups.backup_directory / name
    directory.mkdir()
    told = {"stack": of or str(stack.directory), "blobs": {"main": 0}}
    (directory / catalog.MANIFEST).write_text(json.dumps(told))
    return directory


def test_the_last_one_before_a_time_is_chosen(stack: Stack) -> None:
    for day in (26, 25, 27):
        backup(stack, f"2026-11-{day}-01-30-00")
    found = catalog.own(stack)
    assert [each.began.day for each in found] == [25, 26, 27]
    assert catalog.chosen(found, None).began.day == 27
    assert catalog.chosen(found, datetime(2026, 11, 27, 1, 30, tzinfo=UTC)).began.day == 27
    assert catalog.chosen(found, datetime(2026, 11, 27, 1, 29, tzinfo=UTC)).began.day == 26
    with pytest.raises(Failed, match="the oldest backup is of"):
        catalog.chosen(found, datetime(2026, 11, 1, tzinfo=UTC))


def test_only_what_is_too_old_and_the_stacks_own_is_deleted(stack: Stack) -> None:
    others = [backup(stack, f"2025-01-0{day}-00-00-00", of="/srv/other") for day in range(1, 5)]
    own = [backup(stack, f"2026-11-2{day}-01-30-00") for day in range(5)]
    root = stack.backups.backup_directory
    # What a person has put there.
    (root / "2020-01-01-00-00-00").mkdir()
    (root / "repozo.fs").write_text("")
    assert [each.directory for each in catalog.prune(stack)] == own[:2]
    kept = {each.name for each in (*others, *own[2:])} | {"2020-01-01-00-00-00", "repozo.fs"}
    assert {each.name for each in root.iterdir()} == kept


def test_without_a_schedule_none_is_deleted(home: Path) -> None:
    stack = read(home)
    stack.backups.backup_directory.mkdir()
    for day in range(5):
        backup(stack, f"2026-11-2{day}-01-30-00")
    assert catalog.prune(stack) == []
    assert len(catalog.own(stack)) == 5


def test_half_a_backup_is_none_and_goes(stack: Stack) -> None:
    root = stack.backups.backup_directory
    own, other = root / catalog.unfinished(stack, "x"), root / ".unfinished-0123456789ab-x"
    for half in (own, other):
        half.mkdir()
    assert catalog.found(root) == []
    catalog.clear(stack)
    assert [*root.iterdir()] == [other]
