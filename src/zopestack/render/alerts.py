"""When Prometheus is to tell somebody: the rules that follow from a Stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zopestack.features.backups import Schedule
from zopestack.model import Stack

HOUR, DAY = 3600, 86400

#: Days before the end of a certificate. certbot renews 30 days before.
CERTIFICATE = 14

#: The share of a disk, and of the machine's memory, that must be free.
FREE = 0.1

#: The share of commits that may conflict. A few are usual where people work at one place.
CONFLICTS = 0.05


@dataclass(frozen=True)
class Alert:
    """One rule.

    :param expression: in Prometheus's language; true while something is wrong.
    :param lasts: for how long it has to be, before anybody is told.
    :param severity: ``critical`` where visitors are concerned, else ``warning``.
    :param summary: what is wrong, with the labels of what it is about.
    """

    name: str
    expression: str
    lasts: str
    severity: str
    summary: str


def alerts(stack: Stack) -> Iterator[Alert]:
    """The rules, what concerns visitors first."""
    yield Alert(
        "ZopeInstanceDown",
        'zopestack_answers{process!~"haproxy|supervisord"} == 0',
        "2m",
        "critical",
        "{{ $labels.process }} does not answer.",
    )
    yield Alert(
        "ZopeFrontEndDown",
        'zopestack_answers{process=~"haproxy|supervisord"} == 0',
        "1m",
        "critical",
        "{{ $labels.process }} does not answer.",
    )
    yield Alert(
        "ZopeInstanceNotServing",
        "zopestack_status == 503",
        "2m",
        "critical",
        "{{ $labels.instance_name }} hangs, is cut off from its database, or does not get ready.",
    )
    yield Alert(
        "ZopeProgramFailed",
        'zopestack_program_state{state=~"BACKOFF|FATAL"} == 1',
        "2m",
        "critical",
        "supervisord cannot start {{ $labels.program }}.",
    )
    yield Alert(
        "ZopeQueue",
        "min_over_time(haproxy_backend_current_queue[5m]) > 0",
        "0m",
        "warning",
        "Visitors have waited for a thread of {{ $labels.proxy }} for 5 minutes.",
    )
    yield Alert(
        "ZopeEveryThreadBusy",
        "min_over_time((sum(zopestack_busy) - sum(zopestack_threads))[5m:15s]) >= 0",
        "0m",
        "warning",
        "Every thread of the stack has been busy for 5 minutes.",
    )
    yield Alert(
        "ZopeConflicts",
        "sum by (database) (increase(zopestack_zodb_conflicts_total[15m])) > "
        f"{CONFLICTS} * sum by (database) (increase(zopestack_zodb_commits_total[15m])) > 0",
        "0m",
        "warning",
        f"More than {CONFLICTS:.0%} of the commits to {{{{ $labels.database }}}} conflict.",
    )
    yield Alert(
        "ZopeDiskFull",
        f"zopestack_disk_free_bytes < {FREE} * zopestack_disk_size_bytes",
        "5m",
        "critical",
        f"Less than {FREE:.0%} of the disk of {{{{ $labels.directory }}}} is free.",
    )
    yield Alert(
        "ZopeMemory",
        f"zopestack_memory_available_bytes < {FREE} * zopestack_memory_size_bytes",
        "5m",
        "critical",
        f"Less than {FREE:.0%} of the machine's memory is left.",
    )
    for name, schedule in stack.backups.jobs.items():
        yield Alert(
            f"Zope{name.title()}TooOld",
            "time() - max by (job_name) (zopestack_job_succeeded"
            f'{{job_name="{name}"}}) > {2 * interval(schedule)}',
            "0m",
            "warning",
            f"The last {name} that succeeded is older than two are apart.",
        )
    if stack.certificate:
        yield Alert(
            "ZopeCertificateEnds",
            f"zopestack_certificate_expires_seconds - time() < {CERTIFICATE * DAY}",
            "0m",
            "warning",
            f"{{{{ $labels.file }}}} ends within {CERTIFICATE} days.",
        )


def interval(schedule: Schedule) -> int:
    """Seconds between two times that a job is due."""
    if schedule.hour is None:
        return HOUR
    return DAY if schedule.weekday is None else 7 * DAY
