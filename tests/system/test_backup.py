"""A site that is backed up while visitors write, loses everything, and is restored."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil
import pytest

from tests.support import ledger
from tests.support.fetch import fetch
from tests.support.harness import Site
from tests.support.polling import until
from tests.support.writers import WRITERS, Writers
from zopestack.backups import catalog, jobs
from zopestack.supervisor import daemon

Records = dict[str, set[int]]


@dataclass(frozen=True)
class Past:
    """What was confirmed before each of three backups began, and at the end.

    :param says: what ``bin/pack`` has said.
    """

    before: tuple[Records, Records, Records]
    end: Records
    says: str


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    options = {"backup": "daily 02:30 keep 3", "pack": "weekly keep 0d"}
    with Site(ledger.SECTIONS, instances=2, **options) as running:
        running.start()
        ledger.create(running, WRITERS)
        yield running


@pytest.fixture(scope="module")
def past(site: Site) -> Past:
    """Three backups while visitors write, the last one after a pack; then they stop."""
    with Writers(site) as writers:
        writers.wait_more()
        first = writers.so_far()
        site.run("bin/backup")
        writers.wait_more()
        second = writers.so_far()
        site.run("bin/backup")
        says = site.run("bin/pack").stdout
        writers.wait_more()
        third = writers.so_far()
        site.run("bin/backup")
        writers.wait_more()
    return Past((first, second, third), writers.so_far(), says)


def check(site: Site, least: Records, most: Records) -> None:
    """Every record that was confirmed is there, once, with its blob."""
    books, blobs = ledger.read(site), ledger.attached(site)
    for visitor, book in books.items():
        assert least[visitor] <= {*book} <= most[visitor]
        assert {*book.values()} == {1}
        assert blobs[visitor] == {*book}


def test_a_running_stack_is_not_restored(site: Site, past: Past) -> None:
    done = site.run("bin/restore", check=False)
    assert done.returncode == 1
    assert "the stack runs (supervisord, pid " in done.stdout
    check(site, past.end, past.end)


def test_stack_tells_when_they_were_and_when_the_next_is_due(site: Site, past: Past) -> None:
    said = site.supervisorctl("stack", check=True).stdout.splitlines()
    assert [line.partition(":")[0] for line in said[-2:]] == ["backup", "pack"]
    assert all("; next " in line and "FAILED" not in line for line in said[-2:])


def test_prometheus_is_told_when_they_were(site: Site, past: Past) -> None:
    text = fetch(site.stack.instances[0].agent, "/metrics").text
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    label = '{instance_name="instance1",job_name="backup"}'
    known = jobs.load(site.stack)["backup"]
    assert float(told[f"zopestack_job_succeeded{label}"]) == known.succeeded > 0
    assert told[f"zopestack_job_failed{label}"] == "0.0"
    assert text.count("# TYPE zopestack_job_failed gauge") == 1


def test_a_backup_has_what_was_written_since_the_one_before(site: Site, past: Past) -> None:
    first, second, third = (each.copy_of("main", "filestorage") for each in catalog.own(site.stack))
    names = [
        {file.name: file.stat().st_ino for file in each.glob("*fs")} for each in (first, second)
    ]
    assert names[0].items() < names[1].items()
    # A pack changes everything.
    assert {file.suffix for file in third.glob("*fs")} == {".fs"}
    assert "0 days of history are kept" in past.says


def test_what_is_due_runs_and_then_it_sleeps(site: Site, past: Past) -> None:
    # As if the machine had been off for two days.
    told = {"backup": {"since": time.time() - 2 * 86400}, "pack": {"since": time.time()}}
    site.stack.jobs_file.write_text(json.dumps(told))
    site.supervisorctl("restart", "schedule", check=True)
    found = until("a backup", lambda: jobs.load(site.stack)["backup"], lambda job: job.succeeded)
    assert not found.failed
    assert len(catalog.own(site.stack)) == 3
    until("it to sleep", lambda: sleeps(site))
    assert site.states()["schedule"] == "RUNNING"
    assert "is complete" in site.log("schedule.out.log")


def test_an_edit_restarts_the_schedule_alone(site: Site, past: Past) -> None:
    before = site.pids()
    site.configure(ledger.SECTIONS, backup="hourly keep 48", pack="")
    site.buildout()
    site.supervisorctl("update", check=True)
    after = site.pids()
    assert {name for name in before if before[name] != after[name]} == {"schedule"}


def test_nothing_is_for_other_users(site: Site, past: Past) -> None:
    made = [*site.stack.backups.backup_directory.rglob("*"), site.stack.jobs_file]
    assert [path for path in made if path.stat().st_mode & 0o007] == []


def test_all_is_lost_and_restored(site: Site, past: Past) -> None:
    """The last backup was made after all had stopped writing."""
    stop(site)
    shutil.rmtree(site.stack.var)
    site.buildout()
    site.run("bin/restore")
    site.launch(site.patience)
    check(site, past.end, past.end)
    assert site.get("/ledger/light").status == 200


def test_an_earlier_time_is_restored_and_what_was_there_before_is_kept(
    site: Site, past: Past
) -> None:
    third = catalog.own(site.stack)[1]
    stop(site)
    said = site.run("bin/restore", "--at", third.directory.name).stdout
    assert "Data.fs.before-restore-" in said
    assert "blobstorage.before-restore-" in said
    site.launch(site.patience)
    check(site, past.before[2], past.end)
    assert sum(map(len, ledger.read(site).values())) < sum(map(len, past.end.values()))
    # Visitors go on as if nothing had been.
    assert site.post("/ledger/attach", {"visitor": "0", "number": "9999"}).status == 200
    assert site.get("/ledger/light").status == 200


def sleeps(site: Site) -> bool:
    # It may just have ended, to be started again.
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(site.pids()["schedule"]).name() == "sleep"
    return False


def stop(site: Site) -> None:
    site.supervisorctl("shutdown", check=True)
    until("the end", lambda: daemon.pid(site.stack.supervisor_socket), lambda pid: pid is None)
