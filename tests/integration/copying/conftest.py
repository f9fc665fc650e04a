"""The servers that databases are copied to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import freeports
from tests.support.elsewhere import Elsewhere
from tests.support.postgres import Postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    running = Postgres()
    yield running
    running.stop()


@pytest.fixture
def two(server: Postgres) -> Iterator[Postgres]:
    """The server with two new databases."""
    for name in ("main", "other"):
        server.create(name)
    yield server
    for name in ("main", "other"):
        assert server.psql(f"DROP DATABASE {name} WITH (FORCE)").returncode == 0


@pytest.fixture
def elsewhere(home: Path) -> Iterator[Elsewhere]:
    ports = freeports.reserve()
    (home / "server").mkdir()
    running = Elsewhere(home / "server", ports.zeo)
    running.start()
    yield running
    running.kill()
    ports.release()
