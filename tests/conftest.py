"""Fixtures of the unit tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import describe
from zopestack import haproxy


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for a buildout, with a short path: that of a unix socket is limited."""
    with tempfile.TemporaryDirectory(prefix="zs-") as directory:
        yield Path(directory)


@pytest.fixture
def furnished(home: Path) -> Path:
    """``home`` with what the bad input refers to."""
    describe.furnish(home)
    return home


@pytest.fixture(scope="session")
def haproxy_program() -> Path:
    """The HAProxy that ``haproxy = auto`` takes on this machine."""
    return haproxy.find(None)
