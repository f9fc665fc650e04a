"""Promises are measured until their ratios are sure, or the time is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.integration.bench.conftest import KnownServer
from zopestack_bench import Broken, plan, ratios, rounds
from zopestack_bench.claims import PROMISES, Claim
from zopestack_bench.layouts import Layout
from zopestack_bench.ratios import ENOUGH
from zopestack_bench.record import Closed, Experiment, Open, Run
from zopestack_bench.rounds import Track
from zopestack_bench.workloads import Workload

A, B, C = (Layout(name, "", 1, 1) for name in "ABC")

#: Arrivals at a fixed rate make as many requests a second of every layout.
SURE = Claim("sure", "light", Open(20), "requests/s", A, B, most=1)

#: No server of this kind has a queue, so there is never a ratio.
NEVER = Claim("never", "light", Open(20), "queue ms", A, C, most=1)

SECONDS = 0.1


@pytest.fixture
def run() -> Run:
    return Run("scripts/bench", "now", {"cores": "2"})


@pytest.fixture
def track(
    serve: Callable[..., KnownServer],
    answer: Callable[..., Track],
    monkeypatch: pytest.MonkeyPatch,
) -> Track:
    monkeypatch.setattr(plan, "SECONDS", SECONDS)
    # Every spread is, however busy this machine is.
    monkeypatch.setattr(ratios, "WIDTH", 100)
    monkeypatch.setattr(rounds, "FIRST_WARM_UP", 0)
    page = Workload("light", ("/",), "", warm_up=0.05)
    return answer(dict.fromkeys("ABC", serve()), own=page)


def times(run: Run) -> Counter[str]:
    return Counter(sample.layout for outcome in run.outcomes for sample in outcome.samples)


def test_rounds_end_when_the_ratio_is_narrow(track: Track, run: Run) -> None:
    said: list[str] = []
    track.say = said.append
    plan.measure_claims(track, run, (SURE,), lambda: 1000.0)
    assert times(run) == {"A": ENOUGH, "B": ENOUGH}
    assert [s.layout for s in run.outcomes[0].samples[:4]] == ["A", "B", "A", "B"]
    assert run.outcomes[0].rounds == ENOUGH
    assert run.notes == []
    assert said[-1] == f"after round {ENOUGH}, 0 of 1 ratios are not narrow enough yet"


def test_what_is_sure_is_measured_no_more_and_the_end_names_what_is_not(
    track: Track, run: Run
) -> None:
    most = ENOUGH + 2
    said: list[str] = []

    def left() -> float:
        return 1000.0 if times(run)["C"] < most else -1.0

    track.say = said.append
    plan.measure_claims(track, run, (SURE, NEVER), left)
    # Both claims need A, so B alone is left out.
    assert times(run) == {"A": most, "B": ENOUGH, "C": most}
    assert run.notes[0].endswith(f"had too few rounds: {NEVER.title}")
    assert f"  {NEVER.title}: not measured" in said


def test_a_round_for_which_there_is_no_time_is_not_begun(track: Track, run: Run) -> None:
    with pytest.raises(Broken, match=r"^--minutes: one round takes about \d+ s, .* 0 s are left"):
        plan.measure_claims(track, run, (SURE,), lambda: 2 * SECONDS)
    assert times(run) == {}


def test_what_the_time_does_not_reach_in_the_first_round_is_said(track: Track, run: Run) -> None:
    idle = replace(SURE, load=Closed(2), under=Closed(1))

    def left() -> float:
        # The first experiment takes ten times what it was taken for.
        return 3.0 if not run.outcomes else 0.5

    plan.measure_claims(track, run, (idle,), left)
    assert times(run) == {"A": 1}
    assert run.notes[0] == "no time for light, 1 client, and the rest"
    assert run.notes[1].endswith(f"had too few rounds: {idle.title}")


def test_loads_that_are_compared_take_turns_within_a_round(track: Track, run: Run) -> None:
    idle = replace(SURE, load=Closed(2), under=Closed(1))

    def left() -> float:
        return 1000.0 if times(run)["B"] < 2 else -1.0

    plan.measure_claims(track, run, (idle,), left)
    loads = [(str(x.experiment.load), [s.layout for s in x.samples]) for x in run.outcomes]
    assert loads == [("2 clients", ["A", "A"]), ("1 client", ["B", "B"])]
    assert run.outcomes[0].ratio("A", "B", "requests/s", run.outcomes[1]).rounds == 2


def test_a_layout_that_several_promises_need_is_measured_once_a_round() -> None:
    found = plan.of_claims(PROMISES)
    assert len({(x.workload, x.load) for x in found}) == len(found)
    light = next(x for x in found if x.workload == "light")
    assert Counter(light.layouts) == dict.fromkeys(light.layouts, 1)
    assert {"2x1", "gunicorn", "uwsgi", "1x1 direct", "waitress"} <= {*light.layouts}
    assert Experiment("cpu", Closed(1), ("1x1 direct",), plan.SECONDS) in found
