"""What the agent says of a real instance: busy, hung, cut off, not ready."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support import ledger
from tests.support.harness import Site, until
from zopestack.supervisor.health import Report, ask

HUNG_AFTER = 3


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    own = "[instance2]\nswitch-interval = 50ms\n"
    options = {"hung_after": f"{HUNG_AFTER}s", "switch_interval": "0.5ms"}
    with Site(ledger.SECTIONS + own, instances=2, **options) as running:
        running.start()
        ledger.create(running, visitors=1)
        yield running


@contextmanager
def in_background(call: Callable[[], object]) -> Iterator[list[object]]:
    """Run a call beside the test; its result, or the error it raised, is in the list."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(call())
        except (OSError, http.client.HTTPException) as why:
            results.append(why)

    thread = threading.Thread(target=run)
    thread.start()
    yield results
    thread.join()


@pytest.fixture
def unguarded(site: Site) -> Iterator[None]:
    """Let a test have an instance hang, which the guard would restart at the next full minute."""
    guard = site.pids()["guard"]
    os.kill(guard, signal.SIGSTOP)
    yield
    os.kill(guard, signal.SIGCONT)


def report(site: Site, number: int = 0) -> Report:
    told = ask(site.stack.instances[number])
    assert told, "the agent does not answer"
    return told


def fetch(site: Site, path: str) -> tuple[int, str]:
    agent = site.stack.instances[0].agent
    connection = http.client.HTTPConnection(agent.host, agent.port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_busy_is_healthy(site: Site) -> None:
    gate = ledger.Gate(site)
    with in_background(lambda: site.get(gate.page, at="instance1")) as answer, gate:
        busy = until("a busy thread", lambda: report(site), lambda told: told.busy == 1)
    assert (busy.status, busy.why, busy.threads, busy.in_flight) == (200, "serving", 1, 1)
    assert answer[0].status == 200  # type: ignore[attr-defined]
    # The client may have it all before waitress has done with it.
    until("it to be over", lambda: report(site), lambda told: told.in_flight == 0)


def test_requests_that_wait_inside_the_instance_are_counted(site: Site) -> None:
    gate = ledger.Gate(site)
    with (
        in_background(lambda: site.get(gate.page, at="instance1")),
        in_background(lambda: site.get(gate.page, at="instance1")),
        in_background(lambda: site.get(gate.page, at="instance1")),
        gate,
    ):
        # One that its thread has not taken yet is in the queue, too.
        until("all", lambda: report(site), lambda told: (told.queue, told.in_flight) == (2, 3))
    assert report(site).queue == 0


def test_every_answered_request_is_counted(site: Site) -> None:
    before = report(site).requests
    for _ in range(5):
        site.get("/ledger/page", at="instance1")
    assert report(site).requests == before + 5


@pytest.mark.usefixtures("unguarded")
def test_a_hang_is_told_apart_and_its_tracebacks_are_logged_once(site: Site) -> None:
    gate = ledger.Gate(site)
    with in_background(lambda: site.get(gate.page, at="instance1")), gate:
        hung = until("a hang", lambda: report(site), lambda told: told.status == 503)
        assert hung.why.startswith("hung")
        assert fetch(site, "/alive")[0] == 503
        until("it out of rotation", lambda: not site.servers()["instance1"].up)
    until("it back in rotation", lambda: site.servers()["instance1"].up)
    assert fetch(site, "/alive")[0] == 200
    log = site.log("instance1.log")
    assert log.count("hung: every thread has worked on its request") == 1
    assert "open(until).close()" in log, "the traceback shows where it hangs"


@pytest.mark.usefixtures("unguarded")
def test_an_endless_request_harms_itself_only(site: Site) -> None:
    before = site.pids()
    answer = site.get("/ledger/endless?visitor=0&number=1")
    assert answer.status == 504
    assert "interrupted" not in answer.text, "the page is HAProxy's"
    said = [site.log(f"instance{number}.log") for number in (1, 2)]
    # HAProxy has not sent it to another instance.
    assert sum(text.count("interrupted after 3 s: /ledger/endless") for text in said) == 1
    assert ledger.read(site)["0"] == {}
    assert site.pids() == before


def test_a_storage_that_is_gone_is_told(site: Site) -> None:
    site.supervisorctl("stop", "zeo", check=True)
    try:
        told = until("it to notice", lambda: report(site), lambda told: told.status == 503)
        assert told.why == "storage unreachable: main"
        assert fetch(site, "/alive")[0] == 200, "a restart would not help"
    finally:
        site.supervisorctl("start", "zeo", check=True)
    until("it back", lambda: report(site), lambda told: told.healthy)
    site.wait_ready()


def test_figures_for_prometheus(site: Site) -> None:
    site.get("/ledger/page", at="instance1")
    status, text = fetch(site, "/metrics")
    assert status == 200
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    assert figures['zopestack_threads{instance_name="instance1"}'] == "1.0"
    assert figures['zopestack_switch_interval{instance_name="instance1"}'] == "0.0005"
    answered = (
        'zopestack_request_seconds_count{instance_name="instance1",method="safe",status="200"}'
    )
    assert float(figures[answered]) > 0


def test_other_paths_are_not_found(site: Site) -> None:
    assert fetch(site, "/")[0] == 404
    assert fetch(site, "/health?x")[0] == 404


def test_the_agent_is_not_reachable_through_the_front_door(site: Site) -> None:
    assert "busy_seconds" not in site.get("/health").text


def test_health_is_json_with_the_reason(site: Site) -> None:
    told = json.loads(fetch(site, "/health")[1])
    assert told["instance"] == "instance1"
    assert told["switch_interval"] == pytest.approx(0.0005)


def test_the_switch_interval_is_set_in_the_running_processes(site: Site) -> None:
    assert [report(site, number).switch_interval for number in (0, 1)] == [0.0005, 0.05]
    said = site.supervisorctl("stack", check=True).stdout
    assert [re.split(r"  +", line)[-2] for line in said.splitlines()[1:]] == ["0.5 ms", "50 ms"]
    before = site.pids()
    site.configure(f"{ledger.SECTIONS}[instance2]\nswitch-interval =\n")
    site.buildout()
    site.supervisorctl("update", check=True)
    site.wait_ready()
    assert report(site, 1).switch_interval == pytest.approx(0.005)
    after = site.pids()
    assert (before["instance1"], before["instance2"] != after["instance2"]) == (
        after["instance1"],
        True,
    )


def test_a_warm_up_path_that_fails_keeps_the_instance_out(site: Site) -> None:
    """The last of this site."""
    site.configure(site.sections, warm_up="/ledger/broken")
    site.buildout()
    rolled = site.supervisorctl("roll", "all")
    assert rolled.returncode == 1
    assert "instance1: warm-up path /ledger/broken answered 500" in rolled.stdout
    assert "instance2" not in rolled.stdout, "the roll went on after a failure"
    assert site.get("/ledger/page").status == 200
    assert not site.servers()["instance1"].up


def test_a_taken_agent_port_is_a_clear_message_and_a_warm_up_path_is_fetched_first(
    make_site: Callable[..., Site],
) -> None:
    log = "[instance]\naccess-log = ${buildout:directory}/var/log/instance1-access.log"
    site = make_site(log, instances=1, warm_up="/manage_main /nowhere")
    site.buildout()
    agent = site.stack.instances[0].agent
    with socket.create_server((agent.host, agent.port)):
        site.run("bin/supervisord")
        said = until(
            "it to say so",
            lambda: site.log("instance1.out.log"),
            lambda log: "cannot listen" in log,
        )
    assert f"port {agent}: another program uses that port" in said
    assert "Change agent-base-port in [stack]" in said
    assert "Traceback" not in said

    # Before the first visitor.
    site.wait_ready()
    first, second, *_ = site.log("instance1-access.log").splitlines()
    assert "GET /manage_main" in first
    assert "GET /nowhere" in second
