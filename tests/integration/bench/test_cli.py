"""What is asked for on the command line, and what is said of mistakes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zopestack.features.address import Address
from zopestack_bench import Broken, advise, cli, plan, record, site, tune
from zopestack_bench.layouts import counts, generated_layout, layouts
from zopestack_bench.peers import peers
from zopestack_bench.refine import Refined
from zopestack_bench.workloads import WORKLOADS

KNOWN = {**layouts(2), **peers(2)}


@pytest.mark.parametrize(
    ("word", "name"),
    [("2x1", "2x1"), ("1x1", "1x1"), ("1x4", "1x4 direct"), ("stock", "stock HAProxy")],
)
def test_layouts_go_by_their_names_or_the_first_word(word, name):
    assert cli._named(word, KNOWN) == name


def test_an_unknown_layout_is_an_error_that_names_those_there_are():
    with pytest.raises(Broken, match="--only 9x9: there is no such layout; known are 1x4 direct"):
        cli._named("9x9", KNOWN)


@pytest.mark.parametrize("module", ["cli", "tune"])
def test_help_has_examples(module):
    command = [sys.executable, "-m", f"zopestack_bench.{module}", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "examples:" in said
    assert "--url" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "ftp://host/"], "expected http://host:port/path"),
        (["--url", "http://host:99999/"], "expected http://host:port/path"),
        (["--url", "/page"], "run bin/buildout"),
        (["--only", "3x7"], "no such layout"),
        (["--frontend", "--only", "2x1"], "leave --url and --only out"),
        (["--claim", "all", "--only", "2x1"], "--claim has pages and layouts of its own"),
        (["--claim", "unicorn"], "--claim unicorn: there is no such promise; known are all, gunic"),
        (["--claim", "uwsgi,"], "--claim : there is no such promise"),
        (["--claim", "All"], "--claim All: there is no such promise"),
    ],
)
def test_a_mistake_is_one_line_and_a_failure(arguments, said, tmp_path):
    command = [sys.executable, "-m", "zopestack_bench.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--claim", "all", "--quick"], "not allowed with argument"),
        (["--claim"], "expected one argument"),
        (["--minutes", "-1"], "-1 is not a number of minutes such as 5 or 0.5"),
        (["--minutes", "ten"], "ten is not a number of minutes such as 5 or 0.5"),
        (["--minutes", "1e3"], "1e3 is not a number of minutes such as 5 or 0.5"),
        (["--minutes", "nan"], "nan is not a number of minutes such as 5 or 0.5"),
    ],
)
def test_a_mistyped_option_is_a_failure_of_usage(arguments, said):
    command = [sys.executable, "-m", "zopestack_bench.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]


def test_every_promise_has_layouts_that_share_a_farm():
    wanted = cli.claims.named("all")
    assert [claim.name for claim in wanted] == [claim.name for claim in cli.claims.PROMISES]
    found = cli._compared(wanted, {})
    assert counts(found) == {1: 2, 2: 2, 4: 1}
    assert {claim.this for claim in wanted} | {claim.that for claim in wanted} == set(found)


def test_a_promise_over_a_server_that_is_missing_says_how_to_get_it():
    (claim,) = cli.claims.named("gunicorn")
    with pytest.raises(Broken, match="--claim gunicorn: needs gunicorn: pip install gunicorn"):
        cli._compared((claim,), {"gunicorn": "pip install gunicorn"})


def test_a_site_elsewhere_is_measured_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = site.find("http://localhost:1234/a/b?c=d")
    assert found.target.address == Address("127.0.0.1", 1234)
    assert found.workload.paths == ("/a/b?c=d",)
    assert list(found.as_it_is()) == ["as it is"]


def test_a_site_that_runs_elsewhere_is_measured_to_a_report(serve, tmp_path, monkeypatch, capsys):
    server = serve(delay=0.001)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "QUICK", plan.Plan(1, 1, 1, (8,), 0.5))
    url = f"http://{server.address}/page"
    monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--out", "out", "--url", url])
    cli.main()
    assert "site, 8 clients, round 1: as it is" in capsys.readouterr().out
    run = record.load(tmp_path / "out" / "samples.json")
    # The warm-up and the series count, too, for the server.
    assert 0 < run.outcomes[0].samples[0].measured.requests < server.answered
    assert (tmp_path / "out" / "report.html").exists()


def test_what_there_is_no_time_for_is_left_out_and_said(serve, tmp_path, monkeypatch, capsys):
    server = serve(delay=0.001)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "QUICK", plan.Plan(1, 1, 1, (8,), 0.5, limit=0))
    url = f"http://{server.address}/page"
    monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--out", "out", "--url", url])
    cli.main()
    assert "site, 8 clients, is left out" in capsys.readouterr().out
    run = record.load(tmp_path / "out" / "samples.json")
    assert run.outcomes == []
    assert "site, 8 clients, is left out: the machine is too busy" in run.notes
    assert run.rates


def test_a_farm_has_the_instances_of_the_largest_layout_of_each_thread_count():
    assert counts(KNOWN) == {1: 2, 2: 2, 4: 1}
    assert counts({**layouts(8), **peers(8)}) == {1: 8, 2: 8, 4: 1}


def task(**changed):
    given = {
        "workload": WORKLOADS["cpu"],
        "clients": 8,
        "memory": 10 * 1024**3,
        "seconds": 60,
        "current": (2, 1),
    }
    return advise.Task(**{**given, **changed})


def test_candidates_hold_what_is_in_use_and_keep_to_the_memory(monkeypatch):
    monkeypatch.setattr(advise.cpus, "usable", lambda: 4)
    found = advise.candidates(task(current=(3, 4)))
    assert "3x4" in found
    assert {f"{n}x{t}" for n in (1, 2, 4, 6, 8) for t in (1, 2)} < set(found)
    small = advise.candidates(task(memory=2.5 * advise.INSTANCE_BYTES))
    assert set(small) == {"1x1", "2x1", "1x2", "2x2"}


def test_what_is_better_becomes_lines_and_what_is_not_none():
    nothing = Refined({}, {})
    settings = Refined({"nbthread": "2"}, {})
    four, two = generated_layout(4, 2), generated_layout(2, 1)
    assert advise.changes(four, nothing, (2, 1)) == {"instances": "4", "threads": "2"}
    assert advise.changes(two, nothing, (2, 1)) == {}
    assert advise.changes(two, settings, (2, 1)) == {"nbthread": "2"}


@pytest.mark.parametrize(
    ("text", "expected"), [("2G", 2 * 1024**3), ("800M", 800 * 1024**2), ("1.5g", 1610612736)]
)
def test_amounts_of_memory(text, expected):
    assert tune._bytes(text) == expected
