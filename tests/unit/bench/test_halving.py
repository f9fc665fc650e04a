"""The search finds the best of layouts whose figures are known."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from zopestack_bench import halving
from zopestack_bench.halving import Search
from zopestack_bench.record import Closed, Experiment, Measured, Outcome, Sample
from zopestack_bench.rounds import interleaved


class Machine:
    """Answers with known rates, times how the machine drifts in that round."""

    def __init__(self, rates: dict[str, float], noise: float = 0.0, seed: int = 1) -> None:
        self.rates, self.noise = rates, noise
        self.random = random.Random(seed)
        self.measured: list[str] = []
        self.pss: dict[str, int] = {}

    def measure(self, experiment) -> Outcome:
        drift = {n: self.random.uniform(0.5, 2) for n in range(1, experiment.rounds + 1)}
        samples = []
        for number, name in interleaved(experiment):
            self.measured.append(name)
            wobble = 1 + self.random.uniform(-self.noise, self.noise)
            rate = self.rates[name] * drift[number] * wobble
            measured = Measured(seconds=1000, requests=round(1000 * rate))
            figures = {"requests/s": measured.rate, "memory MB": self.pss.get(name, 1) / 1e6}
            samples.append(Sample(name, number, measured, figures))
        return Outcome(experiment, samples)


def search(machine: Machine, current: str, memory: dict[str, int] | None = None) -> Search:
    names = tuple(machine.rates)
    sizes = memory or dict.fromkeys(names, 1)
    return Search(Experiment("cpu", Closed(8), names, 0, 1), current, sizes, machine.measure)


@settings(deadline=None)
@given(st.permutations([20.0, 40.0, 45.0, 60.0, 80.0, 100.0, 200.0]), st.integers(0, 6))
def test_the_best_of_clearly_different_layouts_is_found(order, current):
    rates = {f"{i}x1": rate for i, rate in enumerate(order)}
    machine = Machine(rates, noise=0.02)
    found = search(machine, f"{current}x1").run(0, lambda line: None)
    assert rates[found] == 200.0


def test_more_rounds_go_to_those_that_may_still_win(monkeypatch):
    monkeypatch.setattr(halving, "OVERHEAD", 0.0)
    machine = Machine({f"{i}x1": 10.0 + i for i in range(8)})
    search(machine, "0x1").run(60, lambda line: None)
    counted = {name: machine.measured.count(name) for name in machine.rates}
    # The one in use is measured as often as the winner, since the winner must beat it.
    assert counted["0x1"] == counted["7x1"] > counted["4x1"] > counted["1x1"] >= 1


def test_what_is_in_use_stays_where_the_spread_covers_the_difference():
    machine = Machine({"2x1": 100.0, "2x2": 100.0, "3x1": 100.0}, noise=0.2, seed=4)
    ours = search(machine, "2x1")
    assert ours.run(30, lambda line: None) == "2x1"


def test_who_is_better_once_by_chance_does_not_replace_what_is_in_use():
    class Lucky(Machine):
        def measure(self, experiment):
            """2x2 has luck, until it is measured beside the current setting alone."""
            self.rates["2x2"] = 130.0 if len(experiment.layouts) > 2 else 100.0
            return super().measure(experiment)

    said = []
    machine = Lucky({"2x1": 100.0, "2x2": 100.0, "3x1": 90.0, "4x1": 80.0}, noise=0.02)
    assert search(machine, "2x1").run(0, said.append) == "2x1"
    assert "2x2 was better by chance: no difference" in said


def test_of_equals_the_one_that_takes_less_memory_wins():
    machine = Machine({"1x1": 50.0, "2x1": 100.0, "4x1": 101.0})
    sizes = {"1x1": 100, "2x1": 200, "4x1": 400}
    assert search(machine, "4x1", sizes).run(20, lambda line: None) == "2x1"
    assert search(machine, "1x1", sizes).run(20, lambda line: None) == "2x1"


def test_a_layout_that_turns_out_larger_than_the_memory_is_dropped():
    machine = Machine({"1x1": 50.0, "2x1": 100.0, "4x1": 200.0, "4x2": 190.0})
    machine.pss = {"4x1": 500, "4x2": 400}
    ours = search(machine, "1x1")
    ours.budget = 300
    assert ours.run(20, lambda line: None) == "2x1"
    assert ours.memory["4x1"] == 500


def test_what_is_in_use_is_given_up_where_only_others_keep_to_the_memory():
    machine = Machine({"1x1": 50.0, "2x1": 100.0, "4x1": 200.0})
    ours = search(machine, "4x1", {"1x1": 100, "2x1": 200, "4x1": 400})
    ours.budget = 300
    assert ours.run(20, lambda line: None) == "2x1"
    ours.budget = 50
    assert ours.run(20, lambda line: None) == "4x1"


def test_a_single_candidate_is_kept():
    machine = Machine({"2x1": 10.0})
    assert search(machine, "2x1").run(0, lambda line: None) == "2x1"
