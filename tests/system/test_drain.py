"""A stop is a drain, whoever asks for it, on a real instance."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.support import ledger
from tests.support.harness import Site, until
from tests.system.test_agent import in_background, report

#: Seconds; enough for all that a test does with an instance that drains.
GRACE = 10


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(ledger.SECTIONS, instances=2, stop_grace=f"{GRACE}s") as running:
        running.start()
        ledger.create(running, visitors=1)
        yield running


@pytest.fixture(autouse=True)
def whole(site: Site) -> Iterator[None]:
    """Every test begins and ends with a site that serves."""
    site.wait_ready()
    yield
    site.wait_ready()


def busy(site: Site) -> int:
    """Wait until instance1 is in a request; its process."""
    until("a busy thread", lambda: report(site).busy == 1)
    return site.pids()["instance1"]


def killed(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return True
    return False


def gone(pid: int) -> None:
    until(f"process {pid} to end", lambda: not psutil.pid_exists(pid))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_request_finishes(site: Site, number: signal.Signals) -> None:
    gate = ledger.Gate(site)
    with in_background(lambda: site.get(gate.page, at="instance1")) as answer, gate:
        pid = busy(site)
        os.kill(pid, number)
        draining = until("a drain", lambda: report(site), lambda told: told.status == 404)
        assert draining.why == "stopping"
        assert draining.in_flight == 1
    assert answer[0].status == 200  # type: ignore[attr-defined]
    # Of its one thread waitress's main loop is the first to run a request.
    assert answer[0].text == "MainThread"  # type: ignore[attr-defined]
    gone(pid)
    log = site.log("instance1.log")
    assert f"{number.name}: draining" in log
    assert "drained after" in log


def test_the_balancer_stops_sending_before_it_ends(site: Site) -> None:
    pid = site.pids()["instance1"]
    gate = ledger.Gate(site)
    with in_background(lambda: site.get(gate.page, at="instance1")), gate:
        busy(site)
        os.kill(pid, signal.SIGTERM)
        until("HAProxy to see it", lambda: not site.servers()["instance1"].up)
        total = site.servers()["instance1"].total
        assert {site.get("/ledger/page").status for _ in range(20)} == {200}
        assert site.servers()["instance1"].total == total
    gone(pid)


def test_the_end_of_the_grace_cuts_and_says_what(site: Site) -> None:
    with in_background(
        lambda: site.get(f"/ledger/slow?seconds={GRACE + 20}", at="instance1")
    ) as answer:
        pid = busy(site)
        os.kill(pid, signal.SIGTERM)
        gone(pid)
    assert isinstance(answer[0], Exception)
    log = site.log("instance1.log")
    assert f"the grace period of {GRACE} s is over: stopping now, 1 request(s) aborted" in log
    assert "GET /ledger/slow (" in log
    assert "seconds=" not in log.split("cut: ")[-1], "a query string may hold secrets"


def test_a_second_signal_stops_at_once(site: Site) -> None:
    gate = ledger.Gate(site)
    with in_background(lambda: site.get(gate.page, at="instance1")) as answer, gate:
        pid = busy(site)
        os.kill(pid, signal.SIGTERM)
        until("a drain", lambda: report(site).status == 404)
        # One in the first second would be the same one.
        until("its end", lambda: killed(pid))
    assert isinstance(answer[0], Exception)
    assert "a second signal: stopping now, 1 request(s) aborted" in site.log("instance1.log")


def test_the_database_is_closed_in_order(site: Site) -> None:
    before = site.log("zeo.log").count("disconnected")
    site.supervisorctl("restart", "instance1", check=True)
    assert "exit status 0" in site.log("supervisord.log").split("stopped: instance1")[-1]
    until("ZEO to see it", lambda: site.log("zeo.log").count("disconnected") > before)


def test_a_response_that_is_still_being_sent_is_waited_for(site: Site) -> None:
    """waitress sends from its main loop, with the worker thread free."""
    import socket

    instance = site.stack.instances[0]
    with socket.create_connection((instance.address.host, instance.address.port)) as client:
        client.sendall(b"GET /ledger/large HTTP/1.0\r\n\r\n")
        until("the thread free again", lambda: (told := report(site)).busy == 0 and told.in_flight)
        os.kill(site.pids()["instance1"], signal.SIGTERM)
        until("a drain", lambda: report(site).status == 404)
        received = 0
        while chunk := client.recv(65536):
            received += len(chunk)
    assert received >= 12_000_000


def test_drain_and_ready(site: Site) -> None:
    pid = site.pids()["instance1"]
    drained = site.supervisorctl("drain", "instance1", check=True)
    assert "instance1: drained, nothing in flight" in drained.stdout
    assert report(site).why == "draining"
    assert site.servers()["instance1"].up is False
    assert site.get("/ledger/page").status == 200
    site.supervisorctl("ready", "instance1", check=True)
    assert site.servers()["instance1"].up
    assert site.pids()["instance1"] == pid
