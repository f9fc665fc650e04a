"""Sites for tests, and their logs in the report of a test that fails."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import pytest

from tests.stack.harness import Site


@pytest.fixture
def make_site() -> Iterator[Callable[..., Site]]:
    """Makes sites as ``Site(...)`` does, and stops them when the test is over."""
    made: list[Site] = []

    def make(sections: str = "", **options: object) -> Site:
        made.append(Site(sections, **options))
        return made[-1]

    yield make
    for site in made:
        site.stop()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Two instances that serve, shared by the tests of a module."""
    with Site(instances=2) as running:
        running.start()
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections += [(f"Logs of {site.directory}", site.tails()) for site in Site.live]
    return report
