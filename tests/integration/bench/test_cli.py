"""What is asked for on the command line, and what is said of mistakes."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from zopestack_bench import Broken, cli, plan, record, rounds, tune
from zopestack_bench.farm import Farm
from zopestack_bench.layouts import layouts

KNOWN = layouts(2)


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
        (["--url", "page"], "expected a path in this buildout's Zope, such as /Plone/page"),
        (["--url", "http://host/page"], "expected a path in this buildout's Zope"),
        (["--url", "/page"], "run bin/buildout"),
        (["--only", "3x7"], "no such layout"),
        (["--frontend", "--only", "2x1"], "leave --url and --only out"),
        (["--frontend", "--url", "/page"], "--frontend has pages and layouts of its own"),
        (["--claim", "all", "--only", "2x1"], "--claim has pages and layouts of its own"),
        (["--memory", "--only", "2x1"], "--memory takes as long as it takes: leave --only and"),
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
    assert Farm(found.values()).threads == [1, 1, 2, 2, 4]
    names = {side.name for claim in wanted for side in (claim.this, claim.that)}
    assert names == set(found)


def test_a_promise_over_a_server_that_is_missing_says_how_to_get_it():
    (claim,) = cli.claims.named("gunicorn")
    with pytest.raises(Broken, match="--claim gunicorn: needs gunicorn: pip install gunicorn"):
        cli._compared((claim,), {"gunicorn": "pip install gunicorn"})


@pytest.fixture
def bench(serve, answer, tmp_path, monkeypatch):
    """A short run, and layouts that are a known server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--only", "1x1,2x1", "--out", "out"])
    made = cli.Bench(cli._arguments())
    made.server = serve(delay=0.001)
    monkeypatch.setattr(plan, "FEW_SECONDS", 0.1)
    monkeypatch.setattr(plan, "CLIENTS", (1,))
    monkeypatch.setattr(rounds, "FIRST_WARM_UP", 0)
    made.track = answer(dict.fromkeys(made.layouts, made.server))
    return made


def test_everything_is_measured_to_a_report(bench, capsys):
    pages = ["cpu", "light", "wait", "mixed", "write", "cpu"]

    class OneRound:
        """The time is over as soon as all pages have been measured."""

        @property
        def passed(self) -> float:
            made = bench.record.outcomes
            return math.inf if len(made) == len(pages) and made[-1].rounds else 0.0

    bench.progress = OneRound()
    bench.measure(bench.track)
    bench.report()
    said = capsys.readouterr().out
    assert "cpu, 8 clients, round 1: 1x1" in said
    assert "done; open out/report.html" in said
    run = record.load(Path("out/samples.json"))
    assert [x.experiment.workload for x in run.outcomes] == pages
    assert {x.rounds for x in run.outcomes} == {1}
    # The warm-up counts, too, for the server.
    measured = sum(s.measured.requests for x in run.outcomes for s in x.samples)
    assert 0 < measured < bench.server.answered
    assert Path("out/report.html").exists()


def test_a_round_for_which_there_is_no_time_is_not_begun(bench, monkeypatch):
    monkeypatch.setattr(cli, "QUICK", 0)
    with pytest.raises(Broken, match="--minutes: one round takes about 8 s"):
        bench.measure(bench.track)
    assert bench.server.answered == 0


def test_a_farm_has_the_instances_of_the_largest_layout_of_each_thread_count():
    assert Farm(KNOWN.values()).threads == [1, 1, 2, 2, 4]
    assert Farm(layouts(8).values()).threads == [1] * 8 + [2] * 8 + [4]


def names(current, memory=10 * 1024**3):
    return {layout.name for layout in tune.candidates(current, memory)}


def test_candidates_hold_what_is_in_use_and_keep_to_the_memory(monkeypatch):
    monkeypatch.setattr(tune.cpus, "usable", lambda: 4)
    found = names((3, 4))
    assert "3x4" in found
    assert {f"{n}x{t}" for n in (1, 2, 4, 6, 8) for t in (1, 2)} < found
    small = names((2, 1), 2.5 * tune.INSTANCE_BYTES)
    assert small == {"1x1", "2x1", "1x2", "2x2"}


@pytest.mark.parametrize(
    ("text", "expected"), [("2G", 2 * 1024**3), ("800M", 800 * 1024**2), ("1.5g", 1610612736)]
)
def test_amounts_of_memory(text, expected):
    assert tune._bytes(text) == expected
