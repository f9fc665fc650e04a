"""The chaos suite in its short form; times are for scripts/chaos, losses are for both."""

from __future__ import annotations

import pytest

from tests.system.chaos.run import run, table


@pytest.mark.timeout(900)
def test_a_busy_site_loses_nothing() -> None:
    outcome = run(long=False)
    print(table(outcome))
    assert not outcome.lost, table(outcome)
