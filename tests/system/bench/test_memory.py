"""What real instances take, sharing memory and not."""

from __future__ import annotations

from zopestack_bench import memory
from zopestack_bench.record import Run


def test_four_take_less_where_they_share():
    run, said = Run("", "", {}), []
    memory.measure(run, said.append, counts=(4,))
    alone, shared = run.weighed[4]
    assert 100 < shared < 0.9 * alone
    assert said[-1] == f"4 instances, share-memory on: {shared:.0f} MB"
