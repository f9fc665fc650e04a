"""What wrk adds to its latencies is taken out again."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zopestack_bench import wrk
from zopestack_bench.measured import Closed

WRK = wrk.find()


def corrected(counts: dict[int, int], interval: int) -> dict[int, int]:
    """What wrk 4 does to its counts before it shows them (stats.c, stats_correct)."""
    found = Counter(counts)
    for latency in range(2 * interval, max(counts) + 1):
        for added in range(latency - interval, interval, -interval):
            found[added] += found[latency]
    return {latency: count for latency, count in found.items() if count}


@given(
    st.dictionaries(st.integers(1, 3000), st.integers(1, 50), min_size=1, max_size=20),
    st.integers(20, 1000),
)
@settings(deadline=None)
def test_latencies_are_as_they_were(counts, interval):
    assert wrk.uncorrected(corrected(counts, interval), interval) == counts


def test_without_a_mean_interval_there_is_nothing_to_take_out():
    assert wrk.uncorrected({100: 2}, 0) == {100: 2}


@pytest.mark.parametrize("clients", [1, 5])
def test_a_pause_counts_once_for_each_request_that_waited(serve, clients, monkeypatch):
    # One request in ten takes longer than twice the mean: wrk fills the gaps.
    found = []
    percentiles = wrk.percentiles
    monkeypatch.setattr(wrk, "percentiles", lambda each: found.append(each) or percentiles(each))
    server = serve(delay=0.001, pauses_every=10, pause=0.2)
    measured = wrk.run(WRK, server.address, ("/",), Closed(clients), 2)
    assert len(found[0]) == measured.requests
    # Those that waited, and no others, took as long: at most one a client is under way.
    paused = sum(latency >= 0.2 for latency in found[0])
    assert server.paused - clients <= paused <= server.paused
