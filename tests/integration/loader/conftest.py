"""A loader for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forking import Loader


@pytest.fixture
def loader(home: Path) -> Iterator[Loader]:
    made = Loader(home)
    yield made
    made.stop()
