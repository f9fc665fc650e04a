"""What a real stack tells Prometheus: exact counts, every documented name; and a real one asks."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client.samples import Sample

from tests.support import figures, ledger, prometheus
from tests.support.fetch import fetch
from tests.support.harness import CHECKOUT, Site, until
from zopestack.backups import jobs
from zopestack.features.address import Address

sys.path.insert(0, str(CHECKOUT / "docs"))
import tables

REQUEST_TIMEOUT = 3

#: Requests by method and path, and the status that each gets: 1,000.
REQUESTS = {
    ("GET", "/ledger/light", 200): 600,
    ("HEAD", "/ledger/light", 200): 50,
    ("GET", "/nowhere", 404): 100,
    ("GET", "/manage_main", 401): 50,
    ("POST", "/ledger/record?visitor=0&number=1", 200): 100,
    ("GET", "/ledger/broken", 500): 50,
    ("POST", "/ledger/broken", 500): 50,
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    options = {"tls_certificate": "self-signed", "request_timeout": f"{REQUEST_TIMEOUT}s"}
    with Site(ledger.SECTIONS, instances=2, **options) as running:
        spare = running.ports.spare
        running.set(https_address=f"127.0.0.1:{spare}", metrics_address=f"127.0.0.1:{spare + 1}")
        running.configure(ledger.SECTIONS, http_redirect="off")
        running.start()
        figures.listening(address(running))
        ledger.create(running, visitors=1)
        yield running


def address(site: Site) -> Address:
    """Where all figures are."""
    found = site.stack.metrics.metrics_address
    assert found
    return found


def text(site: Site) -> str:
    return figures.text(address(site))


def samples(site: Site) -> list[Sample]:
    return figures.samples(address(site))


def total(site: Site, figure: str, **labels: str) -> float:
    return figures.total(address(site), figure, **labels)


def answered(site: Site) -> Counter[tuple[str, str]]:
    """Requests of both instances by method class and status."""
    found: Counter[tuple[str, str]] = Counter()
    for each in samples(site):
        if each.name == "zopestack_request_seconds_count":
            found[each.labels["method"], each.labels["status"]] += int(each.value)
    return found


def passed_on(site: Site) -> Counter[str]:
    """The same by HAProxy's count: by class of status."""
    found: Counter[str] = Counter()
    for each in samples(site):
        if each.name == "haproxy_server_http_responses_total" and each.labels["proxy"] == "zope":
            found[each.labels["code"]] += int(each.value)
    return found


def test_a_thousand_requests_give_exactly_these_counts(site: Site) -> None:
    assert sum(REQUESTS.values()) == 1000
    database = {"database": "main"}
    before, before_haproxy = answered(site), passed_on(site)
    commits = total(site, "zopestack_zodb_commits_total", **database)
    stores = total(site, "zopestack_zodb_stores_total", **database)
    waits = total(site, "zopestack_request_wait_seconds_count")
    door = site.stack.balancer.local_address
    connection = http.client.HTTPConnection(door.host, door.port, timeout=60)
    expected: Counter[tuple[str, str]] = Counter()
    classes: Counter[str] = Counter()
    for (method, path, status), number in REQUESTS.items():
        for _ in range(number):
            connection.request(method, path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status, (method, path)
        kind = "unsafe" if method == "POST" else "safe"
        expected[kind, str(status)] += number
        classes[f"{status // 100}xx"] += number
    connection.close()
    # A request is counted when its response is on its way.
    until("all of them", lambda: answered(site) - before, expected.__eq__)
    assert passed_on(site) - before_haproxy == classes
    assert total(site, "zopestack_zodb_commits_total", **database) - commits == 100
    assert total(site, "zopestack_zodb_stores_total", **database) - stores == 100
    safe = sum(number for (kind, _), number in expected.items() if kind == "safe")
    assert total(site, "zopestack_request_wait_seconds_count") - waits == safe


def test_a_conflict_and_its_retry_are_counted(site: Site) -> None:
    figures = ("zodb_conflicts_total", "request_retries_total", "zodb_commits_total")
    before = [total(site, f"zopestack_{figure}") for figure in figures]
    site.get("/ledger/overtaken?visitor=0&number=77")
    after = [total(site, f"zopestack_{figure}") for figure in figures]
    assert [a - b for a, b in zip(after, before, strict=True)] == [1, 1, 2]
    assert ledger.read(site)["0"][77] == 2


def test_a_commit_is_timed(site: Site) -> None:
    seconds = total(site, "zopestack_zodb_commit_seconds_total")
    site.get("/ledger/record?visitor=0&number=2")
    assert total(site, "zopestack_zodb_commit_seconds_total") > seconds > 0


def test_loads_are_counted_and_those_that_the_cache_of_zeo_had(site: Site) -> None:
    loads, hits = (
        total(site, f"zopestack_zodb_{name}_total", instance_name="instance1")
        for name in ("loads", "cache_hits")
    )
    assert loads >= hits > 0
    assert total(site, "zopestack_zodb_cache_objects", instance_name="instance1") > 0
    before = total(site, "zopestack_zodb_loads_total")
    site.get("/ledger/light")
    assert total(site, "zopestack_zodb_loads_total") == before, "all its objects were loaded"


def test_an_interrupted_request_is_counted(site: Site) -> None:
    before = total(site, "zopestack_requests_interrupted_total")
    assert site.get("/ledger/endless?visitor=0&number=3").status == 504
    assert total(site, "zopestack_requests_interrupted_total") == before + 1


def test_a_request_that_asks_zeo_first_is_counted(site: Site) -> None:
    before = total(site, "zopestack_requests_synchronized_total")
    # HAProxy would say that its client has not written.
    site.get("/ledger/light", at="instance1")
    assert total(site, "zopestack_requests_synchronized_total") == before + 1


def test_visitors_who_wait_for_a_thread_are_seen(site: Site) -> None:
    waits = "zopestack_request_wait_seconds_sum"
    before = total(site, waits)
    door = site.stack.balancer.local_address
    connections = [http.client.HTTPConnection(door.host, door.port, timeout=60) for _ in range(3)]
    for connection in connections:
        connection.request("GET", "/ledger/slow?seconds=1")
    until("two busy threads", lambda: total(site, "zopestack_busy") == 2)
    for connection in connections:
        assert connection.getresponse().read()
        connection.close()
    # The third one waited for one of the others.
    assert total(site, waits) - before > 0.5


def test_every_figure_is_documented_and_every_documented_one_is_there(site: Site) -> None:
    jobs.succeeded(site.stack, "backup", datetime.now())
    documented = {
        each.shown for where in (tables.agent, tables.gather) for each in tables.figures_of(where)
    }
    documented |= {each.shown for each in tables.standard()}
    seen = re.findall(r"^# TYPE (?!haproxy_)(\S+)", text(site), re.MULTILINE)
    assert len(seen) == len(set(seen))
    assert set(seen) == documented


def test_an_instance_that_restarts_is_told_and_begins_at_zero(site: Site) -> None:
    site.get("/ledger/light", at="instance1")
    with stopped(site, "instance1"):
        assert total(site, "zopestack_answers", process="instance1") == 0
        assert total(site, "zopestack_status", instance_name="instance2") == 200
        assert total(site, "zopestack_program_state", program="instance1", state="STOPPED") == 1
    assert total(site, "zopestack_answers", process="instance1") == 1
    # Nobody has asked it, and no warm-up is configured.
    assert not any(
        each.name == "zopestack_request_seconds_count"
        for each in samples(site)
        if each.labels.get("instance_name") == "instance1"
    )
    log = site.log("metrics.out.log")
    assert "Traceback" not in log


@contextmanager
def stopped(site: Site, name: str) -> Iterator[None]:
    site.supervisorctl("stop", name, check=True)
    try:
        yield
    finally:
        site.supervisorctl("start", name, check=True)
        site.wait_ready()


def test_a_database_that_is_gone_is_told(site: Site) -> None:
    with stopped(site, "zeo"):
        connected = until(
            "both to notice",
            lambda: total(site, "zopestack_zodb_connected"),
            lambda found: found == 0,
        )
        assert connected == 0
        assert total(site, "zopestack_answers", process="instance1") == 1
    assert total(site, "zopestack_zodb_connected") == 2


def test_the_end_of_the_certificate_is_that_of_the_file(site: Site) -> None:
    (told,) = (
        each for each in samples(site) if each.name == "zopestack_certificate_expires_seconds"
    )
    assert told.labels["file"] == str(site.stack.certificate)
    command = ["openssl", "x509", "-in", told.labels["file"], "-noout", "-checkend"]
    left = told.value - time.time()
    for seconds, valid in ((left - 3600, True), (left + 3600, False)):
        done = subprocess.run([*command, str(int(seconds))], capture_output=True, check=False)
        assert (done.returncode == 0) is valid


def test_the_front_door_does_not_know_the_path(site: Site) -> None:
    answer = site.get("/metrics")
    assert answer.status == 404
    assert "zopestack_" not in answer.text


def test_the_status_page_names_the_user_of_a_request(site: Site) -> None:
    name, password = site.admin
    login = b64encode(f"{name}:{password}".encode()).decode()
    door = site.stack.balancer.local_address
    connection = http.client.HTTPConnection(door.host, door.port, timeout=60)
    path = "/ledger/slow?seconds=5&password=secret"
    connection.request("GET", path, headers={"Authorization": f"Basic {login}"})

    def slowest() -> list[dict[str, str]]:
        told = fetch(address(site), "/status.json").text
        assert "secret" not in told
        found = json.loads(told)["slowest"]
        assert isinstance(found, list)
        return found

    (found,) = until("the request", slowest)
    assert (found["method"], found["path"], found["user"]) == ("GET", "/ledger/slow", name)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    until("its line", lambda: found["id"] in site.log("access.log"))


@pytest.mark.parametrize("path", ["/status.json", "/hour.json"])
def test_the_front_door_has_no_status_page(site: Site, path: str) -> None:
    answer = site.get(path)
    assert answer.status == 404
    assert "instance1" not in answer.text


def test_promtool_finds_nothing_wrong(site: Site) -> None:
    ours = "\n".join(
        line for line in text(site).splitlines() if not re.match(r"(# \w+ )?haproxy_", line)
    )
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=f"{ours}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_real_prometheus_scrapes_it_as_documented(site: Site, tmp_path: Path) -> None:
    with prometheus.running(site, tmp_path) as running:

        def query(expression: str) -> dict[str, str]:
            """Values by their ``instance_name``."""
            found = running.query(expression)
            return {each["metric"].get("instance_name", ""): each["value"][1] for each in found}

        both = {"instance1": "200", "instance2": "200"}
        until("both instances", lambda: query("zopestack_status"), both.__eq__)
        assert query("up") == {"": "1"}
        assert query("count(haproxy_server_status)")
        assert site.stack.prometheus_targets.read_text().count("127.0.0.1:") == 1
        # Without the one address, each for itself: Prometheus reads the file again by itself.
        site.configure(site.sections, metrics_address="")
        try:
            site.buildout()
            until("three targets", lambda: query("count(up==1)"), {"": "3"}.__eq__)
        finally:
            site.configure(site.sections, metrics_address=f"127.0.0.1:{site.ports.spare + 1}")
            site.buildout()
