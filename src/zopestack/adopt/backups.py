"""When backups were made, as collective.recipe.backup and a crontab say it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from zopestack.adopt.notes import Fate
from zopestack.adopt.original import Original
from zopestack.adopt.recipes import BACKUP, CRON
from zopestack.features.backups import DAYS

#: Full copies that collective.recipe.backup keeps (its README, "keep").
KEPT = "2"

#: Backups a week. There, a pack makes the next backup a full copy, and the others are kept with
#: the full one that they rest on; most sites are packed once a week. In a stack, each counts.
A_WEEK = {"hourly": 168, "daily": 7, "weekly": 1}

#: What cron has for five fields (crontab(5)).
NAMED = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *"}
NAMED |= {"@weekly": "0 0 * * 0"}

#: Minute, hour, day of the month, month, and day of the week, as far as a schedule has them.
FIELDS = re.compile(
    r"(?P<minute>[0-9]{1,2})\s+(?P<hour>[0-9]{1,2}|\*)\s+\*\s+\*\s+(?P<day>[0-7]|[a-z]{3}|\*)"
)


def judge(original: Original, name: str) -> tuple[Fate, str] | None:
    """What becomes of a part that makes backups, or runs them; None where it is neither."""
    if original.recipe(name) == BACKUP and _option(original, name):
        return Fate.BECOMES, (
            "backup in [stack]. Its keep counts every backup; here it counted the full ones, of "
            "which a pack each week makes one a week. The old backups stay as they are"
        )
    if original.recipe(name) == CRON:
        parts = (part for part in original.parts if _option(original, part))
        if any(_runs(original, name, part) for part in parts):
            return Fate.GOES, "supervisord runs it: option backup of [stack]"
    return None


def options(original: Original, var: Path) -> Iterator[tuple[str, str]]:
    """``backup`` and ``backup-directory``, where the times are such that a stack has them.

    :param var: where the data is; no backup is inside it.
    """
    for part in original.parts:
        if found := _option(original, part):
            yield "backup", found
            yield from _directory(original, part, var)
            return


def _option(original: Original, part: str) -> str:
    """The option ``backup`` that a part becomes; empty where it becomes none."""
    if original.recipe(part) != BACKUP:
        return ""
    crons = [name for name in original.parts if _runs(original, name, part)]
    times = [_schedule(original.value(name, "times")) for name in crons]
    keep = original.value(part, "keep") or KEPT
    if not times or not all(times) or not keep.isdigit() or not int(keep):
        return ""
    # The others make full copies now and then.
    often = min(times, key=lambda found: [*A_WEEK].index(found.split()[0]))
    return f"{often} keep {int(keep) * A_WEEK[often.split()[0]]}"


def _runs(original: Original, name: str, part: str) -> bool:
    """Whether a part has cron make the backups of another one, and nothing else."""
    # Options, and where its output goes.
    script = rf"(\S*/)?(full)?{re.escape(part)}(\s+-\S+)*(\s+[0-9&]?>{{1,2}}\s*&?[^\s;&|]+)*"
    command = original.value(name, "command")
    return original.recipe(name) == CRON and bool(re.fullmatch(script, command))


def _schedule(times: str) -> str:
    """How often, the day and the time; empty where a stack has no such schedule."""
    found = FIELDS.fullmatch(NAMED.get(times, times).lower())
    if not found:
        return ""
    minute, hour, day = found["minute"], found["hour"], found["day"]
    if hour == "*":
        return "hourly" if day == "*" else ""
    time = f"{int(hour):02}:{int(minute):02}"
    if day == "*":
        return f"daily {time}"
    # cron's week begins with Sunday, which is 7, too.
    names = {each[:3]: each for each in DAYS}
    named = DAYS[(int(day) - 1) % 7] if day.isdigit() else names.get(day, "")
    return f"weekly {named} {time}" if named else ""


def _directory(original: Original, part: str, var: Path) -> Iterator[tuple[str, str]]:
    given = original.value(part, "location")
    found = Path(os.path.normpath(original.directory / given))
    if given and not found.is_relative_to(var):
        below = found.is_relative_to(original.directory)
        yield "backup-directory", str(found.relative_to(original.directory) if below else found)
