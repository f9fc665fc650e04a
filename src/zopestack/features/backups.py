"""When the databases are backed up and packed, and how much of the past is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from zopestack.features.directories import check_writable
from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import path

#: The days of a week, as ``datetime.weekday`` counts them; their first three letters will do.
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: When a job is due whose option does not say so: when a site has fewest visitors, and at a time
#: that no change to or from summer time skips or repeats in Europe or North America.
USUAL_DAY, USUAL_HOUR, USUAL_MINUTE = "sunday", 3, 30

#: How often; a day; hour and minute; how many backups or days are kept.
GRAMMAR = re.compile(
    r"(hourly|daily|weekly)(?: ([a-z]+))?(?: ([01][0-9]|2[0-3]):([0-5][0-9]))?"
    r" keep ([0-9]{1,4})(d?)"
)

#: Backups that rest on one full copy where no ``keep`` says how many there are.
FULL_EVERY = 14


@dataclass(frozen=True)
class Schedule:
    """When a job is due, in the machine's local time, and what it leaves of the past.

    :param hour: None for every hour.
    :param weekday: as ``datetime.weekday`` counts; None for every day.
    :param keep: a number of backups, or days of history.
    """

    hour: int | None
    minute: int
    weekday: int | None
    keep: int

    def after(self, moment: datetime) -> datetime:
        """The first time after a moment that the job is due; both are local and naive."""
        step = timedelta(hours=1) if self.hour is None else timedelta(days=1)
        hour = moment.hour if self.hour is None else self.hour
        due = moment.replace(hour=hour, minute=self.minute, second=0, microsecond=0)
        while due <= moment or self.weekday not in (None, due.weekday()):
            due += step
        return due


def _schedule(text: str) -> tuple[Schedule, str]:
    """A schedule, and the unit of what it keeps.

    :raises ValueError: where the text is none.
    """
    found = GRAMMAR.fullmatch(" ".join(text.split()))
    if not found:
        raise ValueError
    every, day, hour, minute, keep, unit = found.groups()
    known = {name[:length]: n for n, name in enumerate(DAYS) for length in (3, len(name))}
    if (day and (every != "weekly" or day not in known)) or (hour and every == "hourly"):
        raise ValueError
    return Schedule(
        hour=None if every == "hourly" else int(hour or USUAL_HOUR),
        minute=0 if every == "hourly" else int(minute or USUAL_MINUTE),
        weekday=known[day or USUAL_DAY] if every == "weekly" else None,
        keep=int(keep),
    ), unit


def _backup(text: str) -> Schedule | None:
    """When to back up, and how many backups are kept; None for never."""
    if not text:
        return None
    try:
        schedule, unit = _schedule(text)
    except ValueError:
        unit = "?"
    if unit or not schedule.keep:
        raise ValueError(
            "when, and how many backups are kept, like hourly keep 48, daily 02:30 keep 14 or "
            "weekly sunday 02:30 keep 8; or nothing"
        )
    return schedule


def _pack(text: str) -> Schedule | None:
    """When to pack, and how many days of history are kept; None for never."""
    if not text:
        return None
    try:
        schedule, unit = _schedule(text)
    except ValueError:
        unit = ""
    if unit != "d":
        raise ValueError(
            "when, and how many days of history are kept, like weekly keep 7d, "
            "weekly sunday 04:00 keep 7d or daily 04:00 keep 1d; or nothing"
        )
    return schedule


@feature
class Backups(Feature):
    """The jobs that are due at times of day, and where backups are."""

    backup: Schedule | None = option(
        _backup,
        "",
        "When the databases and their blobs are backed up, and how many backups are kept, such "
        "as ``daily 02:30 keep 14``; by default only when somebody runs ``bin/backup``. See "
        ":doc:`/howto/backup`.",
    )
    pack: Schedule | None = option(
        _pack,
        "",
        "When old revisions are removed from the databases, and how many days of history are "
        "kept, such as ``weekly keep 7d``; by default only when somebody runs ``bin/pack``.",
    )
    backup_directory: Path = option(
        path, "backups", "Where the backups are; better on another disk than ``var``."
    )

    @property
    def full_every(self) -> int:
        """Backups that rest on one full copy of a database: as many as are kept, so that at most
        two full copies are, and no copy that may be damaged goes on for ever.
        """
        return self.backup.keep if self.backup else FULL_EVERY

    @property
    def jobs(self) -> dict[str, Schedule]:
        """What is due at times of day, by name. Where all are due at once, they run in this
        order: a backup has the history that a pack removes.
        """
        named = {"backup": self.backup, "pack": self.pack}
        return {name: schedule for name, schedule in named.items() if schedule}

    def check(self) -> None:
        """Check that backups can be written.

        :raises Refused: where they cannot.
        """
        if self.backup:
            check_writable("backup-directory", self.backup_directory)
