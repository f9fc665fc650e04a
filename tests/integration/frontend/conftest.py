"""The farm of real instances behind every door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.farm import Farm
from tests.system.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from zopestack import haproxy


def _version(program: Path) -> str:
    return haproxy.dotted(haproxy.version(program) or ())


@pytest.fixture(scope="session")
def farm() -> Iterator[Farm]:
    """Instances that serve. All tests share them, so each leaves them serving."""
    with Farm() as running:
        running.start()
        yield running


@pytest.fixture(scope="session", params=haproxy.installed(), ids=_version)
def program(request: pytest.FixtureRequest) -> Path:
    """Each HAProxy of this machine in turn."""
    return request.param
