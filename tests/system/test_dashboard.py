"""Whatever panels, alerts and graphs ask for is there: a real Prometheus scrapes a real stack."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime

import pytest

from tests.support import figures, ledger, prometheus
from tests.support.harness import Site, until
from tests.support.prometheus import Prometheus
from zopestack.backups import jobs
from zopestack.render import dashboard
from zopestack.render.alerts import Alert, alerts
from zopestack.render.panels import Panel, Query
from zopestack.supervisor.figures import Figures
from zopestack.supervisor.munin.graphs import GRAPHS

#: What Grafana puts in the place of its variables. A rate needs two scrapes.
VARIABLES = {"$job": "zope", "$instance": ".*", "$__rate_interval": "1m"}

FIGURE = re.compile(r"\b((?:zopestack|haproxy|process)_\w+)(?:\{([^}]*)\})?")
SELECTED = re.compile(r"(\w+)(?:=~|!~|!=|=)\"")
GROUPED = re.compile(r"\bby \((\w+)\)")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    options = {"tls_certificate": "self-signed", "backup": "daily 02:30 keep 14"}
    with Site(ledger.SECTIONS, instances=2, **options) as running:
        spare = running.ports.spare
        running.set(https_address=f"127.0.0.1:{spare}", metrics_address=f"127.0.0.1:{spare + 1}")
        running.configure(ledger.SECTIONS, http_redirect="off")
        running.start()
        assert running.stack.metrics.metrics_address
        figures.listening(running.stack.metrics.metrics_address)
        ledger.create(running, visitors=1)
        jobs.succeeded(running.stack, "backup", datetime.now())
        yield running


@pytest.fixture(scope="module")
def running(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus.running(site, tmp_path_factory.mktemp("prometheus")) as one:
        until("a scrape", lambda: one.query("zopestack_status"))
        yield one


def shown(site: Site) -> list[Panel]:
    return [place.panel for place in dashboard.places(site.stack) if place.panel]


def asked(query: Query) -> str:
    """What Grafana asks Prometheus."""
    expression = query.expression
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


def work(site: Site) -> None:
    """Requests of all kinds, so that every rate is one of something."""
    site.post("/ledger/record", {"visitor": "0", "number": "1"})
    for path in ("/ledger/light", "/nowhere"):
        site.get(path)


def test_every_panel_shows_something(site: Site, running: Prometheus) -> None:
    """With the labels that its legend names, and numbers."""
    for panel in shown(site):
        for query in panel.queries:

            def lines(query: Query = query) -> list[Mapping[str, str]]:
                work(site)
                found = running.query(asked(query))
                return [each["metric"] for each in found if math.isfinite(float(each["value"][1]))]

            found = until(f"{panel.title}: {asked(query)}", lines)
            labels = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
            assert all(labels <= line.keys() for line in found), (panel.title, found)


def test_the_variables_offer_the_stack_and_its_instances(site: Site, running: Prometheus) -> None:
    for offered, expected in (
        (dashboard.JOBS, {"zope"}),
        (dashboard.INSTANCES, {"instance1", "instance2"}),
    ):
        values = re.fullmatch(r"label_values\((.*), (\w+)\)", offered)
        assert values
        series = running.query(values[1].replace("$job", "zope"))
        assert {each["metric"][values[2]] for each in series} == expected


def test_every_figure_and_label_that_is_used_is_told(site: Site, running: Prometheus) -> None:
    """Those of alerts, too, most of whose expressions have no value while all is well."""
    work(site)
    used = set().union(
        *(of_expression(asked(query), "") for panel in shown(site) for query in panel.queries),
        *(of_alert(each) for each in alerts(site.stack)),
    )
    assert len(used) > 50
    missing = {
        (name, label)
        for name, label in used
        if not running.query(f'count({name}{{{label}!=""}})' if label else f"count({name})")
    }
    assert missing == set()


def of_expression(expression: str, told: str) -> set[tuple[str, str]]:
    """Names of figures, each with every label that it must have, and with none.

    :param told: what a person reads of it.
    """
    grouped = {*GROUPED.findall(expression), *re.findall(r"\$labels\.(\w+)", told)}
    return {
        (name, label)
        for name, selected in FIGURE.findall(expression)
        for label in {"", *SELECTED.findall(selected), *grouped}
    }


def of_alert(alert: Alert) -> set[tuple[str, str]]:
    return of_expression(alert.expression, alert.summary)


def test_prometheus_has_taken_every_rule(site: Site, running: Prometheus) -> None:
    for alert in alerts(site.stack):
        running.query(alert.expression)


def test_every_graph_of_munin_has_values(site: Site) -> None:
    address = site.stack.metrics.metrics_address
    assert address
    work(site)
    told = Figures(figures.text(address).encode())
    for graph in GRAPHS:
        found = graph.values(told)
        assert found, graph.name
        if graph.over:
            assert graph.over(told).keys() == found.keys(), graph.name
