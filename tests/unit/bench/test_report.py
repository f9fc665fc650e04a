"""The report is whole, valid and needs nothing from outside."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.unit.bench import records
from tests.unit.bench.records import sample
from zopestack_bench import cli, fronts, plots, record, report, rounds
from zopestack_bench.claims import FINDINGS, FRONTEND, PROMISES, compared
from zopestack_bench.layouts import layouts
from zopestack_bench.plan import END, FEW_SECONDS, duration, everything, of_claims
from zopestack_bench.ratios import Ratio
from zopestack_bench.record import Closed, Experiment, Measured, Outcome, Run, Sample
from zopestack_bench.workloads import WORKLOADS

VOID = {"meta", "img", "br", "link", "source"}


@pytest.fixture
def run() -> Run:
    return records.run()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a report; drawing it takes seconds, so the tests that look share it."""
    return report.write(records.run(), tmp_path_factory.mktemp("report")).parent


class Page(HTMLParser):
    """Fails on a tag that is not closed, and collects what a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        self.fetched += [v for k, v in attributes if k in ("src", "href", "srcset", "data")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_valid_and_fetches_nothing(written):
    text = (written / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    # Each for wide and for narrow screens.
    assert len(page.fetched) == 2 * len(plots.PLOTS)
    for reference in page.fetched:
        kind, _, data = reference.partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
    assert "<script" not in text
    assert not re.search(r"@import|url\(|https?://", text)
    assert "'/<script>'" in page.text
    assert "<b>&" in page.text
    assert "varnish is left out" in page.text


def test_the_page_leads_with_the_default_layout_over_one_instance(run):
    lead = report.lead(run)
    assert lead
    assert (lead.this, lead.load) == ("a layout", "cpu page, 8 clients")
    assert [(how, what) for how, what, _ in lead.figures] == [
        ("2.20 times", "the requests/s"),
        ("0.45 times", "the p99 latency"),
        ("No difference", "in GIL wait a request"),
        ("0.45 times", "the context switches a request"),
        ("No difference", "in memory"),
    ]
    run.machine["cores"] = "64"
    assert report.lead(run) is None


def test_the_page_shows_the_medians_and_the_claims(run, written):
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    # Of 66, 132 and 198 requests/s, and of the same ratio in every round.
    assert "132" in page.text
    assert "2.20 (2.20 to 2.20)" in page.text
    by_title = {claim.title: claim for claim in compared(run, PROMISES)}
    assert by_title["cpu page, 8 clients: requests/s of 2x1 over 1x4 direct"].met
    assert by_title["cpu page, 8 clients: p99 ms of 2x1 over 1x4 direct"].met
    assert not any("gunicorn" in title for title in by_title)


def test_a_layout_under_load_is_compared_with_one_that_has_a_single_client(run):
    (cost,) = (claim for claim in compared(run, PROMISES) if claim.under)
    assert cost.title == "cpu page, 8 clients: CPU ms of 2x1 over 1x1 direct with 1 client"
    # The same CPU for 660 requests and for 400, in each of three rounds.
    assert cost.ratio.median == pytest.approx(400 / 660)
    assert (cost.ratio.rounds, cost.expected, cost.verdict) == (3, "at most 1.05", "kept")


def test_the_terminal_shows_every_promise_and_whether_it_is_kept(run):
    run.outcomes.append(
        records.outcome(
            "cpu", fronts.ARRIVALS, {fronts.UNDISTURBED.name: 10, fronts.SLOW_READERS.name: 5}
        )
    )
    lines = report.summary(run).splitlines()
    kept, lost = (next(x for x in lines if name in x) for name in ("2x1 over 1x4", "slow readers"))
    assert "at least 2.1" in kept
    assert kept.endswith("kept")
    assert not kept.endswith("not kept")
    # Half the rate is twice the latency.
    assert "at most 1.5" in lost
    assert "2.00 (2.00 to 2.00)" in lost
    assert lost.endswith("not kept")
    assert len(lines) == 1 + len(compared(run, PROMISES)) + 1 + len(run.weighed)


@pytest.mark.parametrize(
    ("least", "most", "ratio", "expected", "verdict"),
    [
        (2.1, None, 2.1, "at least 2.1", "kept"),
        (2.1, None, 2.09, "at least 2.1", "not kept"),
        (None, 0.5, 0.5, "at most 0.5", "kept"),
        (None, 0.5, 0.51, "at most 0.5", "not kept"),
        (None, 0.5, math.nan, "at most 0.5", "not kept"),
        (None, None, 1.0, "", ""),
    ],
)
def test_a_promise_is_kept_by_the_median(least, most, ratio, expected, verdict):
    claim = replace(PROMISES[0], least=least, most=most, ratio=Ratio(ratio, ratio, ratio, 3))
    assert (claim.expected, claim.verdict) == (expected, verdict)


def stealing(run: Run, percent: float, layout: str) -> None:
    """Let other machines of the host take that much from a layout in two of three rounds."""
    for outcome in run.outcomes:
        outcome.samples[:] = [
            replace(x, figures={**x.figures, "stolen %": percent})
            if x.layout == layout and x.round > 1
            else x
            for x in outcome.samples
        ]


def test_rate_and_latency_stand_beside_cpu_and_are_marked_where_time_was_stolen(run, tmp_path):
    run.outcomes = [records.outcome("light", Closed(8), {"2x1": 20.0, "gunicorn": 10.0})]
    (claim,) = compared(run, PROMISES)
    assert (claim.name, claim.ratio.median) == ("gunicorn", pytest.approx(0.5))
    assert claim.context == "requests/s 2.00, p99 ms 0.50"
    stealing(run, 5.0, "gunicorn")
    assert "stolen" not in compared(run, PROMISES)[0].context
    stealing(run, 5.1, "gunicorn")
    marked = "requests/s 2.00, p99 ms 0.50, stolen time above 5% in 2 rounds"
    assert compared(run, PROMISES)[0].context == marked
    assert marked in report.summary(run)
    assert marked in (report.write(run, tmp_path)).read_text(encoding="utf-8")
    # The ratio of CPU is what it was.
    assert compared(run, PROMISES)[0].ratio == claim.ratio


def test_a_promised_rate_is_marked_where_time_was_stolen(run):
    stealing(run, 20, "2x1")
    by_name = {claim.name: claim for claim in compared(run, PROMISES)}
    assert by_name["rate"].context == "stolen time above 5% in 2 rounds"
    assert by_name["two-threads"].context == ""
    assert by_name["idle"].context == ""


def test_every_promise_has_a_name_of_its_own_and_a_bound():
    names = [claim.name for claim in PROMISES]
    assert all(names)
    assert len({*names}) == len(names)
    assert all(claim.expected for claim in PROMISES)


def test_what_nothing_is_promised_of_is_a_table_of_its_own(run, tmp_path):
    none, path = (fronts.AFFINITIES[kind].name for kind in ("none", "path"))
    run.outcomes = [records.outcome("large site", fronts.ALONE, {none: 10, path: 20})]
    samples = []
    for found in run.outcomes[0].samples:
        hits = 90.0 if found.layout == path else 60.0
        samples.append(replace(found, figures={**found.figures, "cache hits %": hits}))
    run.outcomes[0].samples[:] = samples
    by_title = {claim.title: claim for claim in compared(run, FINDINGS)}
    title = "large site page, 1 client: cache hits % of affinity path over affinity none"
    assert by_title[title].ratio.median == pytest.approx(1.5)
    assert by_title[title].verdict == ""
    assert title in report.summary(run)
    page = Page(report.write(run, tmp_path).read_text(encoding="utf-8"))
    assert title in page.text
    assert "What the front end's parts cost and bring" in page.text


def test_a_run_of_which_nothing_is_promised_says_nothing(run):
    run.outcomes, run.memory = [], []
    assert report.summary(run) == ""


def test_memory_is_said_where_it_was_measured_both_ways(run):
    run.outcomes = []
    assert [line.split() for line in report.summary(run).splitlines()] == [
        ["instances", "alone,", "MB", "shared,", "MB", "ratio"],
        ["1", "100", "110", "1.10"],
        ["4", "320", "200", "0.62"],
    ]
    (axis,) = plots.memory(run, plots.WIDE).axes
    assert {line.get_label(): [*map(tuple, line.get_xydata())] for line in axis.lines} == {
        "share-memory = off": [(1, 100), (4, 320)],
        "share-memory = on": [(1, 110), (4, 200)],
    }
    run.memory = []
    assert plots.memory(run, plots.WIDE) is None


@pytest.mark.parametrize(("others", "warned"), [(1.5, True), (0.1, False)])
def test_a_disturbed_run_says_so(run, tmp_path, others, warned):
    for outcome in run.outcomes:
        outcome.samples[:] = [
            replace(sample, figures={**sample.figures, "cores of others": others})
            for sample in outcome.samples
        ]
    page = Page(report.write(run, tmp_path).read_text(encoding="utf-8"))
    assert ("Other processes used 1.5 of 2 cores" in page.text) is warned


def test_every_plot_is_a_file_of_its_own(written):
    for name in plots.PLOTS:
        assert (written / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_plot_tells_on_every_machine_what_the_lock_costs_a_request(run):
    # A kernel of today may not count rescheduling interrupts where threads share a core.
    change(run, "rescheduling interrupts", 0.0)
    axes = plots.lock(run, plots.WIDE).axes
    assert [axis.get_title(loc="left") for axis in axes] == list(plots.LOCK.values())
    said = [{text.xy[1]: text.get_text().strip() for text in axis.texts} for axis in axes]
    assert said == [
        {"2x1": "2", "2x2": "2", "1x4 direct": "2"},
        # 1100 switches of 600, 1200, 1800 requests and the like: the second round is the median.
        {"2x1": "0.83", "2x2": "0.92", "1x4 direct": "1.8"},
        {"2x1": "0", "2x2": "0", "1x4 direct": "0"},
    ]


def test_the_plot_of_the_lock_shows_only_what_was_counted(run):
    change(run, "rescheduling interrupts", None)
    change(run, "GIL wait ms", None)
    (axis,) = plots.lock(run, plots.WIDE).axes
    assert axis.get_title(loc="left") == "context switches"
    change(run, "context switches", None)
    assert plots.lock(run, plots.WIDE) is None


def change(run: Run, figure: str, value: float | None) -> None:
    """Let every sample have this figure."""
    for outcome in run.outcomes:
        outcome.samples[:] = [
            replace(x, figures={**x.figures, figure: value}) for x in outcome.samples
        ]


def test_samples_survive_their_file(run, written):
    assert record.load(written / "samples.json") == run


def test_a_run_of_next_to_nothing_has_a_report(tmp_path):
    run = Run(
        "scripts/bench", "now", {"processor": "P", "cores": "1", "memory": "1", "kernel": "K"}
    )
    measured = Measured(1, 0)
    nothing = Sample("2x1", 1, measured, rounds.figures(measured, {}, None))
    run.outcomes = [Outcome(Experiment("site", Closed(8), ("2x1",), 1), [nothing])]
    Page(report.write(run, tmp_path).read_text(encoding="utf-8"))
    assert record.load(tmp_path / "samples.json") == run


def test_figures_are_per_answered_request():
    it = sample("2x1", 1, 10, {"status 503": 100})
    # 100 good answers and 100 bad ones, which cost as much.
    assert it.figure("Zope CPU ms") == pytest.approx(25)
    assert it.figure("CPU ms") == pytest.approx(28)
    assert it.figure("rescheduling interrupts") == pytest.approx(2.5)
    assert it.figure("errors") == 100
    assert it.figure("requests/s") == 10


def test_what_pages_count_is_shown_for_each_request():
    before = {"computed": 5, "gil ms": 20.0, "reads": 10, "objects": 1000, "loads": 500}
    now = {"computed": 9, "gil ms": 30.0, "reads": 12, "objects": 1200, "loads": 520}
    assert rounds.a_request(before, now) == {
        "GIL wait ms": 2.5,
        "objects": 100,
        "loads": 10,
        "cache hits %": 90,
    }
    assert set(rounds.a_request({}, {}).values()) == {None}


@pytest.mark.parametrize("number", [1, 2, 4, 16])
def test_only_layouts_that_are_there_are_asked_for(number):
    there = layouts(number)
    for few in (there, {"2x1": there["2x1"]}, {"gunicorn": there["gunicorn"]}):
        for experiments in (everything(few), everything(few, WORKLOADS["cpu"])):
            assert {name for x in experiments for name in x.layouts} <= set(few)
            assert all(x.layouts for x in experiments)


def test_a_quick_run_has_three_rounds_on_two_cores():
    there = layouts(2)
    # A minute is left to build and start the instances.
    assert 3 * duration(everything(there, seconds=FEW_SECONDS)) <= cli.QUICK * 60 - END - 40


def test_five_rounds_of_the_front_end_are_less_than_ten_minutes():
    # A minute is left to start the instances, and for what gets no response.
    assert 5 * duration(of_claims(FRONTEND)) <= 540
