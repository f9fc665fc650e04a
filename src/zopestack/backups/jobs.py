"""When each backup and pack was, how it ended, and when the next one is due."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from zopestack import files
from zopestack.features.backups import Schedule
from zopestack.model import Stack

#: How times are shown.
MINUTE = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class Job:
    """What is known of one job; times are seconds since the epoch.

    :param since: when it was last tried, or its schedule was first seen.
    :param succeeded: when it last succeeded; 0 for never.
    :param failed: why it failed since then; empty where it did not.
    """

    since: float
    succeeded: float = 0.0
    failed: str = ""


def load(stack: Stack) -> dict[str, Job]:
    """What is known, by job; nothing where that was lost."""
    try:
        told = json.loads(stack.jobs_file.read_text(encoding="utf-8"))
        return {name: Job(**job) for name, job in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def began(stack: Stack, name: str, now: datetime) -> None:
    """Note that a job is tried, whatever becomes of it.

    :raises OSError: where that cannot be written.
    """
    known = load(stack)
    _save(stack, known | {name: replace(known.get(name, Job(0)), since=now.timestamp())})


def succeeded(stack: Stack, name: str, now: datetime) -> None:
    """Note that a job has succeeded.

    :raises OSError: where that cannot be written.
    """
    known = load(stack)
    job = known.get(name, Job(now.timestamp()))
    _save(stack, known | {name: replace(job, succeeded=now.timestamp(), failed="")})


def failed(stack: Stack, name: str, why: str, again: bool) -> None:
    """Note that a job has failed.

    :param again: whether it is still due if it was, because it was only stopped.
    :raises OSError: where that cannot be written.
    """
    known = load(stack)
    job = known.get(name, Job(0))
    since = job.succeeded if again and job.succeeded else job.since
    _save(stack, known | {name: replace(job, since=since, failed=why)})


def next_times(stack: Stack, now: datetime) -> dict[str, datetime]:
    """When each job of the schedule is due; what was missed is due since then.

    One that is seen for the first time waits for its next time from now on.

    :raises OSError: where that cannot be noted.
    """
    known = load(stack)
    first = {name: Job(now.timestamp()) for name in stack.backups.jobs if name not in known}
    if first:
        _save(stack, known | first)
    return {
        name: _next(schedule, (known | first)[name])
        for name, schedule in stack.backups.jobs.items()
    }


def told(stack: Stack, now: datetime) -> Iterator[str]:
    """A line for each job that is in the schedule or was run by hand."""
    known = load(stack)
    for name in dict.fromkeys([*stack.backups.jobs, *known]):
        job = known.get(name, Job(now.timestamp()))
        words = []
        if job.failed:
            words.append(f"FAILED: {job.failed}")
        if job.succeeded:
            ago = now - datetime.fromtimestamp(job.succeeded)
            words.append(f"last {_time(job.succeeded)}, {_age(ago)} ago")
        else:
            words.append("none yet")
        if schedule := stack.backups.jobs.get(name):
            words.append(f"next {_next(schedule, job):{MINUTE}}")
        yield f"{name}: {'; '.join(words)}"


def _next(schedule: Schedule, job: Job) -> datetime:
    return schedule.after(datetime.fromtimestamp(job.since))


def _save(stack: Stack, jobs: dict[str, Job]) -> None:
    text = json.dumps({name: asdict(job) for name, job in jobs.items()}, indent=1)
    files.write(stack.jobs_file, text + "\n", mode=0o600)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime(MINUTE)


def _age(ago: timedelta) -> str:
    hours, rest = divmod(max(0, int(ago.total_seconds())), 3600)
    return f"{hours // 24} days {hours % 24} h" if hours >= 48 else f"{hours}:{rest // 60:02} h"
