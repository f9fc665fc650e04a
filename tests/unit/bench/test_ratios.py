"""Ratios and their spread, for any figures."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zopestack_bench.ratios import CONFIDENCE, Ratio, median, ratio, shown
from zopestack_bench.record import PERCENTILES, percentiles

figures = st.floats(0.001, 1e6)
rounds = st.lists(st.tuples(figures, figures, st.floats(0.01, 100)), min_size=1, max_size=40)


@given(rounds)
def test_the_spread_holds_the_median_and_lies_within_the_ratios(pairs):
    these, those, _ = zip(*pairs, strict=True)
    found = ratio(these, those)
    ratios = sorted(a / b for a, b in zip(these, those, strict=True))
    assert ratios[0] <= found.low <= found.median <= found.high <= ratios[-1]
    assert found.median == statistics.median(ratios)
    assert found.rounds == len(pairs)


@given(rounds)
def test_a_machine_that_drifts_between_rounds_changes_no_ratio(pairs):
    these, those, drift = zip(*pairs, strict=True)
    still = ratio(these, those)
    drifting = ratio(
        [a * d for a, d in zip(these, drift, strict=True)],
        [b * d for b, d in zip(those, drift, strict=True)],
    )
    for one, other in ((still.median, drifting.median), (still.low, drifting.low)):
        assert math.isclose(one, other, rel_tol=1e-9)


@given(rounds)
def test_the_other_way_round_is_the_inverse(pairs):
    these, those, _ = zip(*pairs, strict=True)
    one, other = ratio(these, those), ratio(those, these)
    assert math.isclose(one.low, 1 / other.high, rel_tol=1e-9)
    if len(pairs) % 2:
        assert math.isclose(one.median, 1 / other.median, rel_tol=1e-9)


@given(st.lists(figures, min_size=1, max_size=30))
def test_a_layout_never_differs_from_itself(series):
    found = ratio(series, series)
    assert not found.differs
    assert "no difference" in found.verdict or found.rounds == 1


def test_one_round_tells_nothing():
    assert not ratio([2.0], [1.0]).differs
    assert ratio([2.0], [1.0]).verdict == "2.00 (one round)"
    assert ratio([2.0, 2.1], [1.0, 1.0]).differs


def test_every_round_better_is_a_difference_and_one_worse_is_not():
    assert ratio([1.1, 1.2, 1.3], [1, 1, 1]).verdict == "1.20 (1.10 to 1.30)"
    assert ratio([0.9, 1.2, 1.3], [1, 1, 1]).verdict == "1.20 (0.90 to 1.30): no difference"


@pytest.mark.parametrize(
    ("median", "low", "high", "rounds", "narrow"),
    [
        (1.0, 0.96, 1.05, 5, True),
        (1.0, 0.95, 1.05, 4, False),
        (1.0, 0.94, 1.05, 50, False),
        (0.2, 0.191, 0.21, 9, True),
        (0.2, 0.19, 0.22, 9, False),
    ],
)
def test_a_spread_is_narrow_by_its_share_of_the_median(median, low, high, rounds, narrow):
    assert Ratio(median, low, high, rounds).narrow is narrow


def test_what_was_not_measured_is_never_narrow():
    assert not ratio([math.nan] * 9, [1.0] * 9).narrow


def test_rounds_without_a_figure_are_left_out():
    assert ratio([1.0, math.nan, 3.0], [1.0, 1.0, 0.0]) == Ratio(1, 1, 1, 1)
    assert ratio([math.nan], [1.0]).verdict == "not measured"
    assert math.isnan(median([math.nan]))
    assert median([3.0, math.nan, 1.0]) == 2.0


def test_series_of_different_length_are_a_mistake():
    with pytest.raises(ValueError, match="3 figures cannot be compared with 2"):
        ratio([1, 2, 3], [1, 2])


@given(st.integers(5, 200))
def test_the_spread_is_as_narrow_as_its_confidence_allows(number):
    found = ratio([float(i + 1) for i in range(number)], [1.0] * number)
    left_out = int(found.low) - 1

    def confidence(outer: int) -> float:
        return 1 - 2 * sum(math.comb(number, k) for k in range(outer + 1)) / 2**number

    assert found.high == number - left_out
    assert confidence(left_out) >= CONFIDENCE
    assert confidence(left_out + 1) < CONFIDENCE


@given(st.lists(st.floats(0, 100), min_size=1, max_size=500))
def test_percentiles_are_latencies_that_occurred_and_rise(latencies):
    found = percentiles(latencies)
    values = [found[p] for p in PERCENTILES]
    assert values == sorted(values)
    assert set(values) <= set(latencies)
    assert found[100.0] == max(latencies)
    for p, value in found.items():
        assert sum(x <= value for x in latencies) >= p / 100 * len(latencies)


def test_no_latencies_have_no_percentiles():
    assert percentiles([]) == {}


@pytest.mark.parametrize(
    ("value", "text"), [(2.2, "2.20"), (0.45, "0.45"), (0.0016, "0.002"), (0, "0.00")]
)
def test_a_ratio_far_below_one_keeps_a_digit(value, text):
    assert shown(value) == text
