"""Varnish as the balancer of real Zope: whatever is rolled, nobody who is logged in notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.harness import Site
from tests.support.polling import until
from tests.support.visitor import Visitors

LOGIN = {"Cookie": "__ac=user"}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(instances=2, varnish="balancer") as running:
        running.start()
        yield running


def requests(site: Site) -> dict[str, int]:
    """Those that HAProxy itself has given to instances."""
    return {name: server.total for name, server in site.servers().items()}


@pytest.mark.parametrize("words", [("roll",), ("restart", "varnish")])
def test_what_is_restarted_under_load_fails_no_request(site: Site, words: tuple[str, ...]) -> None:
    site.wait_ready()
    with Visitors(site.address("haproxy"), headers=LOGIN) as visitors:
        until(
            "visits that HAProxy does not give to an instance", lambda: by_varnish(site, visitors)
        )
        done = site.supervisorctl(*words)
        assert done.returncode == 0, done.stdout
        until("visits again", lambda: by_varnish(site, visitors))
    assert visitors.failures == []


def by_varnish(site: Site, visitors: Visitors) -> bool:
    """Whether visitors are served now, and Varnish gives them to an instance."""
    before, served = requests(site), visitors.served
    until("more visits", lambda: visitors.served > served + 10)
    return requests(site) == before
