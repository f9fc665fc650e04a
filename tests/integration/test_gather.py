"""The program that gathers, asked as Prometheus asks: its sources answer, lie, stall, or are gone.

HAProxy, supervisord and ``metrics`` itself are real, and so is the agent of instance1. In the place
of the other instances there is what a broken machine may have there.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import figures
from tests.support.fetch import Response, fetch
from tests.support.impostor import HEAD, Impostor, drip, saying, silent
from tests.support.polling import until
from tests.support.supervised import Supervised
from zopestack.supervisor.client import Supervisor

#: By instance, what listens in its agent's place says; instance9 has nothing there.
SAID = {
    "instance2": HEAD + bytes(range(256)) * 100,
    "instance3": HEAD + b'zopestack_busy{instance_name="instance3" 1\n',
    "instance4": b"\0\xff not HTTP\r\n\r\n",
    "instance5": HEAD.replace(b"200 OK", b"500 Error") + b"oops",
    # Somebody else's, which every machine has once.
    "instance6": HEAD + b"# TYPE node_load1 gauge\nnode_load1 0.1\n",
    "instance7": HEAD,
    "instance8": HEAD
    + b'# TYPE zopestack_busy gauge\nzopestack_busy{instance_name="instance1"} 1\n',
}

#: Listens and says nothing, or a byte now and then, for ever.
SILENT, DRIPPING, GONE = "instance10", "instance11", "instance9"


@pytest.fixture(scope="module")
def stack() -> Iterator[Supervised]:
    with Supervised(idle={*SAID, GONE, SILENT, DRIPPING}, instances=11) as running:
        running.configure(metrics_address=f"127.0.0.1:{running.ports.spare}")
        agents = {each.name: each.agent for each in running.stack.instances}
        impostors = [
            *(Impostor(agents[name], "/metrics", saying(said)) for name, said in SAID.items()),
            Impostor(agents[SILENT], "/metrics", silent),
            Impostor(agents[DRIPPING], "/metrics", drip),
        ]
        running.start()
        assert running.stack.metrics.metrics_address
        figures.listening(running.stack.metrics.metrics_address)
        yield running
        for impostor in impostors:
            impostor.close()


def scrape(stack: Supervised, path: str = "/metrics") -> Response:
    address = stack.stack.metrics.metrics_address
    assert address
    return fetch(address, path)


def values(text: str, figure: str, label: str) -> dict[str, float]:
    """The values of a figure by one of its labels."""
    return {
        sample.labels[label]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == figure
    }


def test_who_does_not_answer_properly_is_told_and_holds_up_nobody(stack: Supervised) -> None:
    text = until(
        "the agent of instance1",
        lambda: scrape(stack).text,
        lambda text: values(text, "zopestack_answers", "process")["instance1"],
    )
    bad = {*SAID, GONE, SILENT, DRIPPING}
    assert values(text, "zopestack_answers", "process") == {
        **dict.fromkeys(bad, 0),
        "instance1": 1,
        "haproxy": 1,
        "supervisord": 1,
    }
    assert values(text, "zopestack_threads", "instance_name") == {"instance1": 1}
    # Not what instance8 says in its name.
    assert values(text, "zopestack_busy", "instance_name") == {"instance1": 0}
    assert "node_load1" not in text
    assert "Traceback" not in stack.log("metrics")


def test_supervisords_states_and_haproxys_own_figures_are_there(stack: Supervised) -> None:
    text = scrape(stack).text
    assert values(text, "zopestack_program_state", "program").keys() == stack.states().keys()
    assert set(values(text, "zopestack_program_state", "state")) == {"RUNNING"}
    started = values(text, "zopestack_program_started_seconds", "program")
    assert started["haproxy"] == stack.processes_by_name()["haproxy"].started
    own = fetch(stack.stack.balancer.stats_address, "/metrics").text
    names = {line.split()[2] for line in own.splitlines() if line.startswith("# TYPE ")}
    assert names
    assert names <= {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    ups = values(own, "haproxy_server_status", "server")
    assert values(text, "haproxy_server_status", "server").keys() == ups.keys()


def test_a_program_that_ends_is_told_by_its_state(stack: Supervised) -> None:
    stack.supervisorctl("stop", "access-log")
    try:
        states = values(scrape(stack).text, "zopestack_program_state", "program")
        told = {
            (sample.labels["program"], sample.labels["state"])
            for family in text_string_to_metric_families(scrape(stack).text)
            for sample in family.samples
            if sample.name == "zopestack_program_state"
        }
        assert states["access-log"] == 1
        assert ("access-log", "STOPPED") in told
        assert ("access-log", "RUNNING") not in told
    finally:
        stack.supervisorctl("start", "access-log")


def test_scrapes_beside_each_other_all_answer(stack: Supervised) -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(scrape(stack).status)) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 5
    # None is left behind by those who never end their answer, beside that which takes samples.
    process = psutil.Process(stack.pids()["metrics"])
    until("two threads", process.num_threads, (2).__eq__)


def test_without_haproxy_and_supervisord_the_instances_are_told(stack: Supervised) -> None:
    pids = stack.pids()
    stack.supervisorctl("stop", "haproxy")
    try:
        told = values(scrape(stack).text, "zopestack_answers", "process")
        assert (told["haproxy"], told["supervisord"], told["instance1"]) == (0, 1, 1)
    finally:
        stack.supervisorctl("start", "haproxy")
    assert stack.pids()["metrics"] == pids["metrics"]


def test_a_taken_port_is_one_message(stack: Supervised) -> None:
    command = [stack.stack.bin / "serve-metrics", stack.stack.stack_file]
    done = subprocess.run(command, capture_output=True, text=True, env=stack.environment)
    address = stack.stack.metrics.metrics_address
    assert done.returncode == 1
    assert done.stdout + done.stderr == (
        f"metrics: cannot listen on {address}: Address already in use. "
        "Change metrics-address in [stack].\n"
    )


def test_other_paths_are_not_found(stack: Supervised) -> None:
    assert scrape(stack, "/metrics/").status == 404
    assert scrape(stack, "/metrics?name[]=x").status == 404


def test_a_stack_that_cannot_be_read_is_told_and_read_again_later(stack: Supervised) -> None:
    file = stack.stack.stack_file
    text = file.read_text()
    supervisord = psutil.Process(Supervisor(stack.stack.supervisor_socket).pid())
    file.write_text("{")
    # It writes down later what the program says.
    later = threading.Timer(0.3, supervisord.resume)
    supervisord.suspend()
    try:
        assert scrape(stack).status == 503
        later.start()
        said = stack.log("metrics")
    finally:
        supervisord.resume()
        file.write_text(text)
    later.join()
    assert f"{file} is damaged" in said
    assert "Traceback" not in said
    assert scrape(stack).status == 200
