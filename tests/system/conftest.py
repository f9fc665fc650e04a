"""Sites for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tests.support.checkout import Checkout
from tests.support.harness import Site

Made = TypeVar("Made", bound=Site)


@pytest.fixture
def make_site() -> Iterator[Callable[..., Site]]:
    """Makes sites as ``Site(...)`` does, and stops them when the test is over."""
    yield from _maker(Site)


@pytest.fixture
def make_checkout() -> Iterator[Callable[..., Checkout]]:
    """The same for copies of this checkout."""
    yield from _maker(Checkout)


def _maker(kind: Callable[..., Made]) -> Iterator[Callable[..., Made]]:
    made: list[Made] = []

    def make(*arguments: str, **options: object) -> Made:
        made.append(kind(*arguments, **options))
        return made[-1]

    yield make
    for site in made:
        site.stop()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Two instances that serve. All tests share it, so each leaves it serving."""
    with Site(instances=2) as running:
        running.start()
        yield running
