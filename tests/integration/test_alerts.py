"""The rules for Prometheus, read and run by its own promtool: when each one tells, and when not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import describe
from tests.support.harness import CHECKOUT
from zopestack.model import Stack
from zopestack.render.alerts import alerts
from zopestack.render.files import render

sys.path.insert(0, str(CHECKOUT / "docs"))
import tables

ONE, TWO = (f'{{instance_name="{name}"}}' for name in ("instance1", "instance2"))

#: Series of figures by alert, one value every quarter of an hour or minute: some of which it has to
#: tell with these labels, and some of which it must not.
Series = dict[str, str]
TOLD: dict[str, tuple[dict[str, str], Series, Series]] = {
    "ZopeInstanceDown": (
        {"process": "instance1"},
        {'zopestack_answers{process="instance1"}': "1 1 0x40"},
        {'zopestack_answers{process="instance1"}': "1x35 0 0 0 0"},
    ),
    "ZopeFrontEndDown": (
        {"process": "haproxy"},
        {'zopestack_answers{process="haproxy"}': "1 0x40"},
        {'zopestack_answers{process="haproxy"}': "1x40"},
    ),
    "ZopeInstanceNotServing": (
        {"instance_name": "instance1"},
        {f"zopestack_status{ONE}": "200 503x40", f"zopestack_status{TWO}": "200x40"},
        {f"zopestack_status{ONE}": "200 404x40"},
    ),
    "ZopeProgramFailed": (
        {"program": "haproxy", "state": "FATAL"},
        {'zopestack_program_state{program="haproxy",state="FATAL"}': "1x40"},
        {'zopestack_program_state{program="haproxy",state="STOPPED"}': "1x40"},
    ),
    "ZopeQueue": (
        {"proxy": "zope"},
        {'haproxy_backend_current_queue{proxy="zope"}': "0 0 3+1x40"},
        {'haproxy_backend_current_queue{proxy="zope"}': "0 5 5 0x36 5"},
    ),
    "ZopeEveryThreadBusy": (
        {},
        {
            f"zopestack_busy{ONE}": "1x40",
            f"zopestack_threads{ONE}": "1x40",
            f"zopestack_busy{TWO}": "2x40",
            f"zopestack_threads{TWO}": "2x40",
        },
        {
            f"zopestack_busy{ONE}": "1x40",
            f"zopestack_threads{ONE}": "1x40",
            f"zopestack_busy{TWO}": "2x30 1 2x9",
            f"zopestack_threads{TWO}": "2x40",
        },
    ),
    "ZopeConflicts": (
        {"database": "main"},
        {
            'zopestack_zodb_conflicts_total{database="main"}': "0+1x40",
            'zopestack_zodb_commits_total{database="main"}': "0+10x40",
        },
        {
            'zopestack_zodb_conflicts_total{database="main"}': "0+1x40",
            'zopestack_zodb_commits_total{database="main"}': "0+100x40",
        },
    ),
    "ZopeDiskFull": (
        {"directory": "/srv/var"},
        {
            'zopestack_disk_free_bytes{directory="/srv/var"}': "900 90x40",
            'zopestack_disk_size_bytes{directory="/srv/var"}': "1000x41",
        },
        {
            'zopestack_disk_free_bytes{directory="/srv/var"}': "101x41",
            'zopestack_disk_size_bytes{directory="/srv/var"}': "1000x41",
        },
    ),
    "ZopeMemory": (
        {},
        {"zopestack_memory_available_bytes": "900 90x40", "zopestack_memory_size_bytes": "1000x41"},
        {
            "zopestack_memory_available_bytes": "101x30 90 101x9",
            "zopestack_memory_size_bytes": "1000x41",
        },
    ),
    "ZopeBackupTooOld": (
        {"job_name": "backup"},
        {'zopestack_job_succeeded{job_name="backup"}': "0x300"},
        {'zopestack_job_succeeded{job_name="backup"}': "0x100 100000x200"},
    ),
    "ZopePackTooOld": (
        {"job_name": "pack"},
        {'zopestack_job_succeeded{job_name="pack"}': "0x2000"},
        {'zopestack_job_succeeded{job_name="pack"}': "0x500 500000x1500"},
    ),
    "ZopeCertificateEnds": (
        {"file": "/srv/own.pem"},
        {'zopestack_certificate_expires_seconds{file="/srv/own.pem"}': f"{13 * 86400}x40"},
        {'zopestack_certificate_expires_seconds{file="/srv/own.pem"}': f"{15 * 86400}x40"},
    ),
}

#: Of those whose times are days: minutes between two values, and of the evaluation.
SLOW = {"ZopeBackupTooOld": ("15m", "49h"), "ZopePackTooOld": ("15m", "337h")}


@pytest.fixture
def stack(home: Path) -> Stack:
    options = {
        "instances": "2",
        "backup": "daily 02:30 keep 14",
        "pack": "weekly keep 7d",
        "https-address": "8443",
        "tls-certificate": "self-signed",
        "metrics-address": "9404",
    }
    found = describe.read(home, options)
    for path in (found.prometheus_rules, found.prometheus_targets):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(found)[path], encoding="utf-8")
    return found


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", TOLD)
def test_an_alert_tells_what_it_has_to_and_nothing_else(
    stack: Stack, home: Path, name: str
) -> None:
    labels, wrong, right = TOLD[name]
    known = {each.name: each for each in alerts(stack)}
    alert = known[name]

    def value(found: re.Match[str]) -> str:
        return labels[found[1]]

    told = {
        "exp_labels": {**labels, "severity": alert.severity},
        "exp_annotations": {"summary": re.sub(r"\{\{ \$labels\.(\w+) \}\}", value, alert.summary)},
    }
    interval, moment = SLOW.get(name, ("15s", "10m"))
    cases = [
        {
            "interval": interval,
            "input_series": [{"series": each, "values": of} for each, of in series.items()],
            "alert_rule_test": [
                {"eval_time": moment, "alertname": each, "exp_alerts": expected} for each in names
            ],
        }
        for series, names, expected in ((wrong, [name], [told]), (right, known, []))
    ]
    rules = [str(stack.prometheus_rules)]
    # JSON is YAML, too.
    text = json.dumps({"rule_files": rules, "evaluation_interval": interval, "tests": cases})
    (home / "tests.yml").write_text(text)
    promtool("test", "rules", home / "tests.yml")


def test_every_alert_has_its_test(stack: Stack) -> None:
    assert {each.name for each in alerts(stack)} == TOLD.keys()


def test_promtool_accepts_the_rules_of_any_stack(stack: Stack, home: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", stack.prometheus_rules)
    plain = describe.read(home / "plain")
    stack.prometheus_rules.write_text(render(plain)[plain.prometheus_rules], encoding="utf-8")
    promtool("check", "rules", stack.prometheus_rules)


def test_every_figure_of_an_alert_is_one_that_is_told(stack: Stack) -> None:
    told = {
        each.shown for where in (tables.agent, tables.gather) for each in tables.figures_of(where)
    }
    used = {
        name for alert in alerts(stack) for name in re.findall(r"\bzopestack_\w+", alert.expression)
    }
    assert used
    assert used <= told


@pytest.mark.parametrize(
    ("backup", "oldest"),
    [("hourly keep 48", "2h"), ("daily keep 1", "2d"), ("weekly keep 8", "14d")],
)
def test_a_backup_may_be_as_old_as_two_are_apart(home: Path, backup: str, oldest: str) -> None:
    (alert,) = (
        each
        for each in alerts(describe.read(home, {"backup": backup}))
        if each.name == "ZopeBackupTooOld"
    )
    seconds = int(oldest[:-1]) * {"h": 3600, "d": 86400}[oldest[-1]]
    assert alert.expression.endswith(f" > {seconds}")
