"""The chaos suite in its short form; times are for scripts/chaos, losses are for both."""

from __future__ import annotations

import pytest

from tests.system.chaos.run import SHARED, THREAD, run, table
from tests.system.chaos.scenarios import SHARING, scenarios


@pytest.mark.timeout(900)
def test_a_busy_site_loses_nothing() -> None:
    outcome = run(scenarios(long=False), THREAD, instances=2)
    print(table(outcome))
    assert not outcome.lost, table(outcome)


@pytest.mark.timeout(900)
def test_one_that_shares_memory_loses_nothing() -> None:
    """What that adds; ``scripts/chaos --share-memory`` does all of it."""
    outcome = run(SHARING, THREAD, **SHARED)
    print(table(outcome))
    assert not outcome.lost, table(outcome)
