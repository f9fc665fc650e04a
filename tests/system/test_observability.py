"""Add-ons beside the agent that tell figures: plone.observability, collective.prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import figures, ledger
from tests.support.checkout import PATIENCE, Checkout
from tests.support.fetch import Response, fetch

#: The first of them installs the packages.
pytestmark = pytest.mark.timeout(900)

#: Without Plone, Zope has to be told of both. At Zope's root the view ``metrics`` is that of
#: plone.observability, and elsewhere that of collective.prometheus.
SECTIONS = f"""
[instance]
extra-paths = {ledger.CODE}
zcml = plone.observability collective.prometheus
environment-vars = PLONE_OBSERVABILITY_METRICS_ALLOWLIST 127.0.0.1
"""

#: Whose figures may be read, by the variable, and another one.
INSIDE, OUTSIDE = "127.0.0.1", "127.0.0.2"


@pytest.fixture(scope="module")
def site() -> Iterator[Checkout]:
    eggs = "Zope plone.observability collective.prometheus"
    with Checkout(eggs=eggs, instances=2) as running:
        running.configure(SECTIONS)
        running.script("up", "--timeout", str(int(PATIENCE)))
        ledger.create(running, visitors=1)
        yield running


def theirs(site: Checkout, path: str, at: str = "instance1") -> dict[str, float]:
    """The sum of each figure that an add-on tells."""
    answer = site.get(path, at=at)
    assert answer.status == 200, answer.text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def ours(site: Checkout, name: str) -> float:
    """The sum of a figure of instance1's agent."""
    return figures.total(site.stack.instances[0].agent, name)


def test_no_figure_is_called_as_one_of_another(site: Checkout) -> None:
    told = {sample.name for sample in figures.samples(site.stack.instances[0].agent)}
    observed, prometheus = theirs(site, "/@@metrics"), theirs(site, "/ledger/@@metrics")
    assert all(name.startswith("plone_") for name in observed)
    assert all(re.match("(zope|zodb)_", name) for name in prometheus)
    assert len(told) + len(observed) + len(prometheus) == len({*told, *observed, *prometheus})


def test_a_conflict_is_one_for_both(site: Checkout) -> None:
    name = "zodb_conflicts_total"
    before = theirs(site, "/@@metrics")[f"plone_{name}"], ours(site, f"zopestack_{name}")
    site.get("/ledger/overtaken?visitor=0&number=77", at="instance1")
    after = theirs(site, "/@@metrics")[f"plone_{name}"], ours(site, f"zopestack_{name}")
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1]


def test_both_see_the_same_connections_and_caches(site: Checkout) -> None:
    observed = theirs(site, "/@@metrics")
    assert observed["plone_zodb_connections"] == ours(site, "zopestack_zodb_connections")
    limit = theirs(site, "/ledger/@@metrics")["zope_cache_size"]
    assert limit == ours(site, "zopestack_zodb_cache_limit")


def test_plone_observability_leaves_loads_and_stores_to_the_agent(site: Checkout) -> None:
    assert "plone_zodb_loads_total" not in theirs(site, "/@@metrics")
    assert ours(site, "zopestack_zodb_loads_total") > 0
    assert "ZODB activity monitor already set" in site.log("instance1.log")


def test_collective_prometheus_has_the_loads_and_stores_of_its_last_15_seconds(
    site: Checkout,
) -> None:
    theirs(site, "/ledger/@@metrics")
    before = ours(site, "zopestack_zodb_stores_total")
    site.post("/ledger/record", {"visitor": "0", "number": "1"}, at="instance1")
    assert theirs(site, "/ledger/@@metrics")["zodb_store_count"] >= 1
    assert ours(site, "zopestack_zodb_stores_total") == before + 1


def test_no_instance_listens_for_plone_observabilitys_health_checks(site: Checkout) -> None:
    for instance in site.stack.instances:
        process = psutil.Process(site.pids()[instance.name])
        processes = [process, *process.children(recursive=True)]
        ports = {
            each.laddr.port
            for one in processes
            for each in one.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        }
        assert ports == {instance.address.port, instance.agent.port}


def test_who_may_read_them_through_the_front_door(site: Checkout) -> None:
    door = site.address("haproxy")

    def visit(source: str) -> Response:
        return fetch(door, "/@@metrics", source=source)

    assert visit(INSIDE).status == 200
    assert visit(OUTSIDE).status == 403
