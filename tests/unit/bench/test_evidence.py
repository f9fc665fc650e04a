"""What a person reads follows from what was measured."""

from __future__ import annotations

from zopestack_bench import evidence
from zopestack_bench.halving import Search
from zopestack_bench.layouts import generated_layout
from zopestack_bench.ratios import Ratio
from zopestack_bench.record import Closed, Experiment, Measured, Outcome, Sample
from zopestack_bench.refine import Refined

NOTHING = Refined({}, {})


def sample(layout: str, number: int, rate: int) -> Sample:
    measured = Measured(1, rate, latency={99.0: 0.05})
    figures = {"requests/s": measured.rate, "p99 ms": 50.0, "memory MB": 100.0}
    return Sample(layout, number, measured, figures)


def outcome(rates: dict[str, list[int]]) -> Outcome:
    rounds = len(next(iter(rates.values())))
    samples = [sample(name, n, rates[name][n - 1]) for n in range(1, rounds + 1) for name in rates]
    return Outcome(Experiment("cpu", Closed(8), tuple(rates), rounds, 1), samples)


def search(rates: dict[str, list[int]], current: str, memory: dict[str, int]) -> Search:
    found = outcome(rates)
    return Search(found.experiment, current, memory, lambda _: found, 200_000_000, found.samples)


RATES = {"2x1": [100, 100, 100], "4x1": [150, 140, 160]}
MEMORY = {"2x1": 90_000_000, "4x1": 170_000_000, "4x2": 300_000_000}


def test_the_stack_lines_stand_by_what_they_cost() -> None:
    settings = Refined({"nbthread": "2"}, {"nbthread = 2": Ratio(1.1, 1.05, 1.2, 6)})
    found = evidence.lines(search(RATES, "2x1", MEMORY), generated_layout(4, 1), settings, 2e8)
    assert found[-5:] == ["", "[stack]", "instances = 4", "threads = 1", "nbthread = 2"]
    assert found[-6] == (
        "Recommended; it takes 170 MB of memory under this load, 80 MB more than 2x1, of 200 MB "
        "given:"
    )
    lines = [" ".join(line.split()) for line in found]
    assert "4x1 150.0 50 170 MB 1.50 (1.40 to 1.60), <- recommended" in lines
    assert "4x2 300 MB more than the memory given" in lines
    assert "nbthread = 2 1.10 (1.05 to 1.20)" in lines


def test_it_says_no_difference_where_there_is_none() -> None:
    rates = {"2x1": [100, 100, 100], "4x1": [110, 90, 105]}
    found = evidence.lines(search(rates, "2x1", MEMORY), generated_layout(2, 1), NOTHING, 2e8)
    assert found[-1] == "no difference: nothing is better than what is in use; keep it."
    assert any("1.05 (0.90 to 1.10): no difference" in line for line in found)
    assert "[stack]" not in found


def test_the_check_names_the_best_and_how_far_off_the_recommended_one_is() -> None:
    rates = {"2x1": [100, 100, 100], "3x1": [104, 105, 103], "4x1": [80, 90, 85]}
    found = evidence.check(outcome(rates), "2x1")
    assert found[-1] == "2x1 over 3x1, the best: 0.96 (0.95 to 0.97)"
    assert evidence.check(outcome(rates), "3x1")[-1] == "3x1 is the best"
