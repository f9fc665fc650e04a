"""What is checked after each test that has a HAProxy of its own, and database servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.deployment import Deployment
from tests.support.door import Door
from tests.support.relational import Servers


@pytest.fixture(autouse=True)
def _no_slot_stays_lent() -> Iterator[None]:
    """However a client or an instance behaved, each instance gets as much as it has threads."""
    yield
    for each in Deployment.live:
        if isinstance(each, Door):
            each.wait_for_slots()


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Database servers, each of which starts when a test of the module needs it."""
    made = Servers()
    yield made
    made.stop()
