"""What becomes of collective.recipe.backup, and of the crontab that runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.adopting import INSTANCE, adopt, example, notes, stack
from zopestack.adopt.notes import Fate

BACKUP = "[nightly]\nrecipe = collective.recipe.backup\n"
CRON = "recipe = z3c.recipe.usercrontab\n"


def text(times: str, command: str = "${buildout:bin-directory}/nightly", options: str = "") -> str:
    return (
        f"[buildout]\nparts = instance nightly cron\n{INSTANCE}{BACKUP}{options}"
        f"[cron]\n{CRON}times = {times}\ncommand = {command}\n"
    )


@pytest.mark.parametrize(
    ("times", "option"),
    [
        ("37 2 * * *", "daily 02:37 keep 14"),
        ("@daily", "daily 00:00 keep 14"),
        ("5 * * * *", "hourly keep 336"),
        ("0 23 * * 0", "weekly sunday 23:00 keep 2"),
        ("0 23 * * 7", "weekly sunday 23:00 keep 2"),
        ("0 23 * * 6", "weekly saturday 23:00 keep 2"),
        ("0 23 * * MON", "weekly monday 23:00 keep 2"),
    ],
)
def test_when_cron_made_backups_supervisord_does(home: Path, times: str, option: str) -> None:
    found = adopt(home, text(times))
    assert stack(found)["backup"] == option
    assert {"nightly", "cron"}.isdisjoint(found.sections)
    assert "nightly" in notes(found, Fate.BECOMES)
    assert "cron" in notes(found, Fate.GOES)
    assert not any("refuse" in why for why in notes(found, Fate.MISSING).values())


@pytest.mark.parametrize(
    ("times", "command", "options"),
    [
        ("*/5 * * * *", "bin/nightly", ""),
        ("0 2 1 * *", "bin/nightly", ""),
        ("0 2 * * 1-5", "bin/nightly", ""),
        ("0 * * * 1", "bin/nightly", ""),
        ("0 2 * * *", "bin/other", ""),
        ("0 2 * * *", "bin/nightly && bin/copy", ""),
        ("0 2 * * *", "bin/nightly >/dev/null; bin/copy", ""),
        ("0 2 * * *", "bin/nightly", "keep = 0\n"),
    ],
)
def test_what_a_schedule_cannot_say_is_named(
    home: Path, times: str, command: str, options: str
) -> None:
    found = adopt(home, text(times, command, options))
    assert "backup" not in stack(found)
    assert "set it" in notes(found, Fate.MISSING)["nightly"]
    assert "cron" in notes(found, Fate.STAYS)


def test_the_most_frequent_one_counts(home: Path) -> None:
    weekly = f"[weekly]\n{CRON}times = 0 1 * * 0\ncommand = bin/fullnightly\n"
    command = "${buildout:directory}/bin/nightly --quiet >/dev/null 2>&1"
    both = text("30 2 * * *", command, "keep = 3\n").replace("cron\n", "cron weekly\n", 1)
    found = adopt(home, both + weekly)
    assert stack(found)["backup"] == "daily 02:30 keep 21"
    assert {"cron", "weekly"} <= notes(found, Fate.GOES).keys()


@pytest.mark.parametrize(
    ("location", "directory"),
    [
        ("", ""),
        ("saved", "saved"),
        ("${buildout:directory}/a/b", "a/b"),
        ("/mnt/a", "/mnt/a"),
        # No stack has them there.
        ("var/backups", ""),
    ],
)
def test_they_are_where_they_were(home: Path, location: str, directory: str) -> None:
    found = adopt(home, text("@daily", options=f"location = {location}\n" if location else ""))
    assert stack(found).get("backup-directory", "") == directory


def test_the_example() -> None:
    found = stack(example("studio"))
    assert found["backup"] == "daily 02:37 keep 14"
    assert found["backup-directory"] == "data/backup/filestorage"
