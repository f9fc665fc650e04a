"""Each check of ``supervisorctl doctor`` finds what it looks for, and nothing where all is well."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import describe
from zopestack.backups import jobs
from zopestack.features.address import Address
from zopestack.supervisor.client import Process
from zopestack.supervisor.doctor import database, machine, pins, run, service, settings
from zopestack.supervisor.doctor.finding import CHECKS, Check, Finding, Severity
from zopestack.supervisor.doctor.look import Disk, Look
from zopestack.supervisor.figures import Figures
from zopestack.varnish.statistics import Statistics

MB = 1 << 20

#: HAProxy's statistics of a backend that is well.
WELL = {
    "pxname": "zope",
    "svname": "BACKEND",
    "req_tot": "1000",
    "hrsp_5xx": "1",
    "cli_abrt": "1",
    "qtime": "3",
    "qcur": "0",
}


def figures_of(conflicts: int = 1, loads: int = 1000, kept: int = 100) -> Figures:
    """What an instance of one database tells after 1,000 requests and commits."""
    of = '{instance_name="instance1",database="main"}'
    lines = [
        'zopestack_request_seconds_count{instance_name="instance1",method="safe"} 1000',
        f"zopestack_zodb_commits_total{of} 1000",
        f"zopestack_zodb_conflicts_total{of} {conflicts}",
        f"zopestack_zodb_loads_total{of} {loads}",
        f"zopestack_zodb_cache_objects{of} {kept}",
        f"zopestack_zodb_cache_limit{of} 30000",
        f"zopestack_zodb_connections{of} 2",
        "",
    ]
    return Figures("\n".join(lines).encode())


class Given(Look):
    """A look at a stack and a machine that have these figures, and are well otherwise."""

    free = 5000 * MB

    def __init__(
        self,
        home: Path,
        options: Mapping[str, str],
        figures: Mapping[str, Any],
        sections: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        super().__init__(describe.read(home, options, sections))
        well = {
            "pids": {"instance1": (os.getpid(),)},
            "memory": {"instance1": 100 * MB},
            "statistics": [WELL],
            "haproxy_status": "long-term supported branch - will stop receiving fixes around "
            f"Q2 {datetime.now().year + 2}.",
            "cores": 2,
            "available": 1000 * MB,
            "clock_kept": True,
            "python": (3, 14),
            "today": date(2026, 11, 27),
            "figures": figures_of(),
        }
        # In the place of what has been asked for once.
        self.__dict__.update({**well, **figures})

    def disk(self, path: Path) -> Disk:
        return Disk(1, 10000 * MB, self.free)


@dataclass
class Case:
    """What provokes one check.

    :param options: of [stack].
    :param sections: others.
    :param figures: that are seen.
    :param files: below the buildout's directory, with their contents.
    """

    check: Check
    severity: Severity
    says: str
    options: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


BACKUP = {"backup": "daily 02:30 keep 14"}

ADVICE, WARNING, ERROR = Severity

CASES = [
    Case(settings.threads, ADVICE, "4 threads of instance1, instance2 wait", {"threads": "4"}),
    Case(
        settings.debug_mode,
        WARNING,
        "debug mode makes instance1 slow",
        files={"parts/instance1/etc/zope.conf": "debug-mode on\n"},
    ),
    Case(
        settings.open_ports,
        WARNING,
        "supervisord listens on 0.0.0.0:9001, for other machines too",
        sections={"supervisor": {"port": "0.0.0.0:9001", "user": "admin", "password": "x" * 20}},
    ),
    Case(settings.backups, WARNING, "there is no backup"),
    Case(machine.open_files, WARNING, "files and connections open, of 1"),
    Case(
        machine.memory,
        WARNING,
        "50 MB of memory are left, less than the 100 MB of instance1",
        figures={"available": 50 * MB},
    ),
    Case(machine.cores, ADVICE, "9 instances share 2 cores", {"instances": "9"}),
    Case(machine.clock, ADVICE, "clock", figures={"clock_kept": False}),
    Case(machine.disks, WARNING, "500 MB of 10000 MB are free", figures={"free": 500 * MB}),
    Case(machine.disks, ERROR, "50 MB of 10000 MB are free", figures={"free": 50 * MB}),
    Case(
        machine.haproxy,
        WARNING,
        "around Q4 2020",
        figures={"haproxy_status": "will stop receiving fixes around Q4 2020."},
    ),
    Case(
        machine.haproxy,
        ADVICE,
        "fixes around",
        figures={
            "haproxy_status": "will stop receiving fixes around "
            f"Q{(datetime.now().month + 2) // 3} {datetime.now().year}."
        },
    ),
    Case(
        machine.haproxy,
        WARNING,
        "End of life",
        figures={"haproxy_status": "End of life - please upgrade to branch 2.8."},
    ),
    Case(
        pins.python,
        WARNING,
        "Python 3.11 has got its last fixes in October 2027",
        figures={"python": (3, 11), "today": date(2027, 11, 1)},
    ),
    Case(
        pins.python,
        ADVICE,
        "Python 3.11 gets its last fixes in October 2027",
        figures={"python": (3, 11), "today": date(2027, 9, 1)},
    ),
    Case(
        pins.installed,
        WARNING,
        "instance1 was started before bin/buildout changed its packages",
        figures={"processes": {"instance1": Process("instance1", "RUNNING", 9, 9, "")}},
        files={"parts/instance1/bin/interpreter": ""},
    ),
    Case(
        machine.clocks_of_hosts,
        ERROR,
        "app2 is 60 s ahead of this host, app3 is 7 s behind this host",
        figures={"clocks_ahead": {"app2": 60.0, "app3": -7.0}},
    ),
    Case(service.running, ERROR, "supervisord does not run"),
    Case(
        service.errors,
        WARNING,
        "20 of 1000 requests to backend zope",
        figures={"statistics": [{**WELL, "hrsp_5xx": "20"}]},
    ),
    Case(
        service.impatience,
        WARNING,
        "20 of 1000 clients of backend zope left",
        figures={"statistics": [{**WELL, "cli_abrt": "20"}]},
    ),
    Case(
        database.conflicts,
        WARNING,
        "250 of 1250 commits to the database main met a conflict",
        figures={"figures": figures_of(conflicts=250)},
    ),
    Case(
        database.caches,
        WARNING,
        "instance1 loads 150 objects for a request, and its caches of 30000",
        figures={"figures": figures_of(loads=150_000, kept=60_000)},
    ),
    Case(
        service.cache,
        ADVICE,
        "Varnish has answered 5 of 200 requests by itself",
        figures={"varnish": Statistics(hits=5, stale=0, others=195, used=0)},
    ),
    Case(
        service.errors,
        WARNING,
        "20 of 1000 requests to backend varnish",
        {"varnish": "balancer"},
        figures={"statistics": [WELL, {**WELL, "pxname": "varnish", "hrsp_5xx": "20"}]},
    ),
    Case(
        service.queue,
        WARNING,
        "waited 1500 ms on average; 7 wait now",
        figures={"statistics": [{**WELL, "qtime": "1500", "qcur": "7"}]},
    ),
]


def named(case: Case) -> str:
    return f"{case.check.__name__}-{case.severity.name}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_what_goes_wrong_is_found(home: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in case.files.items():
        (home / name).parent.mkdir(parents=True)
        (home / name).write_text(text)
    if case.check is machine.open_files:
        monkeypatch.setattr(machine.resource, "prlimit", lambda *_: (1, 1))
    (found,) = case.check(Given(home, case.options, case.figures, case.sections))
    assert case.says in found.evidence
    assert found.severity == case.severity


def test_there_is_a_case_of_every_check() -> None:
    assert {case.check for case in CASES} == set(CHECKS)


def test_a_healthy_stack_has_nothing(home: Path) -> None:
    look = Given(home, BACKUP, {})
    # Whether it runs is seen in a real one (tests/system/test_operating.py).
    assert [f for each in CHECKS if each is not service.running for f in each(look)] == []


def test_where_varnish_gives_requests_it_need_not_answer_many(home: Path) -> None:
    told = {"varnish": Statistics(hits=5, stale=0, others=195, used=0)}
    assert list(service.cache(Given(home, {"varnish": "balancer"}, told))) == []


def test_a_disk_without_room_for_a_pack(home: Path) -> None:
    look = Given(home, BACKUP, {})
    look.free = 1000 * MB
    look.stack.database.parent.mkdir(parents=True)
    with look.stack.database.open("wb") as file:
        file.truncate(1001 * MB)
    (found,) = machine.disks(look)
    assert "Data.fs has 1001 MB" in found.evidence


def test_a_job_that_failed_or_is_late(home: Path) -> None:
    look = Given(home, BACKUP, {})
    look.stack.var.mkdir()
    now = datetime.now()
    jobs.succeeded(look.stack, "backup", now)
    assert list(settings.backups(look)) == []
    jobs.began(look.stack, "backup", now - timedelta(days=3))
    (late,) = settings.backups(look)
    assert "has not begun" in late.evidence
    jobs.failed(look.stack, "backup", "the disk is full", again=False)
    (failed,) = settings.backups(look)
    assert failed.evidence == "the last backup has failed: the disk is full"
    assert {late.severity, failed.severity} == {ERROR}


def test_zeo_that_asks_for_certificates_may_be_reached(home: Path) -> None:
    look = Given(home, {}, {})
    given = {"zeo_address": Address("192.0.2.1", 8400)}
    for certificate, found in ((None, 1), (home / "own.pem", 0)):
        storage = replace(look.stack.storage, **given, zeo_certificate=certificate)
        look.stack = replace(look.stack, storage=storage)
        assert len([*settings.open_ports(look)]) == found


def test_the_worst_comes_first_and_is_the_exit_status(home: Path) -> None:
    found = run.findings(Given(home, {"threads": "4"}, {}))
    severities = [each.severity for each in found]
    assert severities == sorted(severities, reverse=True)
    assert run.status(found) == ERROR
    assert run.status([Finding(ADVICE, "", "")]) == run.status([]) == 0
    text = run.report(found)
    assert text.startswith("error: supervisord does not run")
    assert text.endswith(f"{len(CHECKS)} checks, {len(found)} findings")
