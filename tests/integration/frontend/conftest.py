"""The farm of real instances behind every door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.farm import Farm


@pytest.fixture(scope="session")
def farm() -> Iterator[Farm]:
    """Instances that serve. All tests share them, so each leaves them serving."""
    with Farm() as running:
        running.start()
        yield running
