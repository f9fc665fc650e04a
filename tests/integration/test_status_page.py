"""The status page over HTTP, of a stack with agents that work, lie, stall, or are gone.

HAProxy, supervisord, ``metrics`` and the agents of instance1 and instance2 are real.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import figures
from tests.support.fetch import Response, fetch
from tests.support.impostor import HEAD, Impostor, drip, saying, silent
from tests.support.polling import until
from tests.support.supervised import Supervised
from tests.unit.test_status_page import ANSWER

LIE = {**ANSWER, "threads": 10**9, "busy": 10**9, "running": ANSWER["running"] * 10_000}

#: By instance, what listens in its agent's place says; instance9 has nothing there.
SAID = {
    "instance3": HEAD + bytes(range(256)) * 100,
    "instance4": b"\0\xff not HTTP\r\n\r\n",
    "instance5": HEAD.replace(b"200 OK", b"500 Error") + b"oops",
    "instance6": HEAD + json.dumps({**ANSWER, "instance": "instance1"}).encode(),
    "instance7": HEAD + json.dumps({**ANSWER, "instance": "instance7", "busy": "<b>"}).encode(),
    # Well formed, and no more than the instance has is believed.
    "instance8": HEAD + json.dumps({**LIE, "instance": "instance8"}).encode(),
}

SILENT, DRIPPING, GONE = "instance10", "instance11", "instance9"

BAD = {*SAID, SILENT, DRIPPING, GONE} - {"instance8"}

PATHS = ("/", "/status.json", "/hour.json")

#: What a visitor of the site may send.
MARKUP = "/hang/<script>alert(1)</script>&quot;"
SECRET = "tell-nobody"


@pytest.fixture(scope="module")
def stack() -> Iterator[Supervised]:
    with Supervised(idle={*SAID, GONE, SILENT, DRIPPING}, instances=11, threads=2) as running:
        running.configure(metrics_address=f"127.0.0.1:{running.ports.spare}")
        agents = {each.name: each.agent for each in running.stack.instances}
        impostors = [
            *(Impostor(agents[name], "/now", saying(said)) for name, said in SAID.items()),
            Impostor(agents[SILENT], "/now", silent),
            Impostor(agents[DRIPPING], "/now", drip),
        ]
        running.start()
        listening(running)
        yield running
        for impostor in impostors:
            impostor.close()


@pytest.fixture(scope="module")
def well() -> Iterator[Supervised]:
    """Two instances, and all is well."""
    with Supervised(instances=2, threads=2) as running:
        running.configure(metrics_address=f"127.0.0.1:{running.ports.spare}")
        running.start()
        running.wait_serving()
        listening(running)
        yield running


def listening(stack: Supervised) -> None:
    assert stack.stack.metrics.metrics_address
    figures.listening(stack.stack.metrics.metrics_address)


def ask(stack: Supervised, path: str, method: str = "GET", host: str = "") -> Response:
    address = stack.stack.metrics.metrics_address
    assert address
    return fetch(address, path, method, headers={"Host": host} if host else None)


def status(stack: Supervised) -> dict[str, Any]:
    found = json.loads(ask(stack, "/status.json").body)
    assert isinstance(found, dict)
    return found


def instance(stack: Supervised, name: str) -> dict[str, Any]:
    (found,) = (each for each in status(stack)["instances"] if each["name"] == name)
    return dict(found)


def becomes(stack: Supervised, name: str, kind: str) -> dict[str, Any]:
    """What is told of an instance that is of this kind soon: a look is used again for a second."""
    return until(kind, lambda: instance(stack, name), lambda told: told["kind"] == kind)


@contextmanager
def held(stack: Supervised, path: str, **headers: str) -> Iterator[None]:
    """A request that instance1 works on meanwhile."""
    address = stack.stack.instances[0].address
    with socket.create_connection((address.host, address.port)) as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        yield


def test_who_does_not_answer_properly_is_away_and_holds_up_nobody(stack: Supervised) -> None:
    found = until(
        "a look at all of them as started",
        lambda: {each["name"]: each for each in status(stack)["instances"]},
        lambda found: (
            {found["instance1"]["kind"], found["instance2"]["kind"]} == {"serving"}
            and not any("starting" in each["state"] for each in found.values())
        ),
    )
    assert {name for name, each in found.items() if each["kind"] == "away"} == BAD
    for name in BAD:
        assert found[name]["state"] == "running; its agent does not answer", name
        assert (found[name]["running"], found[name]["requests"]) == ([], None), name
        assert found[name]["memory"] > 0, "supervisord knows its process"
    assert (found["instance8"]["threads"], len(found["instance8"]["running"])) == (2, 2)
    assert "Traceback" not in stack.log("metrics")


def test_what_a_thread_works_on_is_told_without_its_secrets(stack: Supervised) -> None:
    path = f"{MARKUP}?password={SECRET}"
    with held(stack, path, **{"X-Request-ID": "<i>7</i>", "Cookie": f"a={SECRET}"}):
        (found,) = until(
            "a request of over a second",
            lambda: [each for each in status(stack)["slowest"] if each["instance"] == "instance1"],
        )
        assert (found["method"], found["path"], found["id"]) == ("GET", MARKUP, "<i>7</i>")
        assert found["seconds"] >= 1
        busy = instance(stack, "instance1")
        assert (busy["busy"], len(busy["running"])) == (1, 1)
        assert busy["running"][0] >= found["seconds"]
        for each in PATHS:
            assert SECRET not in ask(stack, each).text
    assert SECRET not in stack.log("metrics")


def test_an_instance_that_restarts_is_told_and_counts_anew(well: Supervised) -> None:
    address = well.stack.instances[1].address
    for _ in range(3):
        fetch(address, "/")
    well.supervisorctl("stop", "instance2")
    told = becomes(well, "instance2", "away")
    assert (told["state"], told["pid"]) == ("stopped", None)
    well.supervisorctl("start", "instance2")
    becomes(well, "instance2", "serving")
    for _ in range(40):
        fetch(address, "/")
    found = until("its rate", lambda: instance(well, "instance2")["requests"])
    assert 0 < found <= 40


def test_one_that_drains_is_told(well: Supervised) -> None:
    done = well.supervisorctl("drain", "instance2")
    assert done.returncode == 0, done.stdout
    try:
        becomes(well, "instance2", "draining")
    finally:
        well.supervisorctl("ready", "instance2")
    becomes(well, "instance2", "serving")


def test_doctor_looks_while_somebody_does(stack: Supervised) -> None:
    told = until("doctor", lambda: status(stack)["doctor"], lambda told: told["when"])
    assert told["problem"] == ""
    evidence = [each["evidence"] for each in told["findings"]]
    assert "there is no backup of the database, and none is planned" in evidence
    assert told["findings"][0]["severity"] == "error"


def test_the_hour_has_a_sample_of_everything(stack: Supervised) -> None:
    found = until(
        "two samples",
        lambda: json.loads(ask(stack, "/hour.json").body),
        lambda hour: len(hour["stack"].get("busy", ())) > 1,
    )
    assert found["instances"].keys() == {each.name for each in stack.stack.instances}
    assert found["instances"]["instance1"]["memory"][-1] > 1
    assert found["instances"][GONE]["requests"][-1] is None
    assert found["ended"] <= time.time()


def test_haproxys_figures_are_those_of_the_visitors(well: Supervised) -> None:
    door = well.stack.balancer.local_address
    status(well)
    for _ in range(60):
        assert fetch(door, "/").status == 200
    assert until("their rate", lambda: status(well)["total"]["requests"]) > 0
    assert status(well)["total"]["errors"] == 0
    assert status(well)["total"]["most"] > 0


def test_without_haproxy_it_says_so_and_tells_the_rest(well: Supervised) -> None:
    well.supervisorctl("stop", "haproxy")
    try:
        found = until("haproxy to be gone", lambda: status(well), lambda f: not f["balanced"])
        assert found["total"]["queue"] is None
        assert {each["kind"] for each in found["instances"]} == {"serving"}
    finally:
        well.supervisorctl("start", "haproxy")
    until("haproxy", lambda: status(well)["balanced"])


def test_the_front_door_does_not_know_it(well: Supervised) -> None:
    door = well.stack.balancer.local_address
    for path in PATHS:
        answer = fetch(door, path)
        # What the instance answers to any path.
        assert (answer.status, answer.text) == (200, "served\n")


@pytest.mark.parametrize("path", PATHS)
def test_every_part_is_for_this_machine_and_for_no_other_page(stack: Supervised, path: str) -> None:
    answer = ask(stack, path)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Access-Control-Allow-Origin"] is None
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", " "):
        refused = ask(stack, path, host=host)
        assert (refused.status, refused.headers["Content-Type"]) == (
            421,
            "text/plain; charset=utf-8",
        )
        assert "instance1" not in refused.text
    assert ask(stack, path, host="localhost:1").status == 200


@pytest.mark.parametrize("path", [*PATHS, "/metrics", "/nowhere"])
def test_it_can_be_read_only(stack: Supervised, path: str) -> None:
    expected = 404 if path == "/nowhere" else 200
    head = ask(stack, path, "HEAD")
    assert (head.status, head.body) == (expected, b"")
    assert int(head.headers["Content-Length"]) > 0
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        refused = ask(stack, path, method)
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/?a=1", "/status.json?since=0", "/..", "/%2e", "/index.html"])
def test_other_paths_are_not_found(stack: Supervised, path: str) -> None:
    answer = ask(stack, path)
    assert answer.status == 404
    assert "/ for people" in answer.text


def test_many_who_look_cost_no_more_than_one(stack: Supervised) -> None:
    answers: list[float] = []
    threads = [
        threading.Thread(target=lambda: answers.append(status(stack)["when"])) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Silent agents take 3 s of each look, and 20 looks would be 20 different ones.
    assert len(answers) == 20
    assert len(set(answers)) <= 10


def test_a_stack_that_cannot_be_read_is_told_and_read_again_later(stack: Supervised) -> None:
    file, page = stack.stack.stack_file, stack.stack.status_page
    text = file.read_text()
    file.write_text("{")
    try:
        for path in ("/", "/status.json"):
            answer = until(path, lambda path=path: ask(stack, path), lambda a: a.status == 503)
            assert f"{file} is damaged" in answer.text
    finally:
        file.write_text(text)
    page.rename(f"{page}.gone")
    try:
        answer = ask(stack, "/")
        assert (answer.status, answer.text) == (
            503,
            f"{page} cannot be read (No such file or directory): run bin/buildout\n",
        )
    finally:
        Path(f"{page}.gone").rename(page)
    assert [ask(stack, path).status for path in PATHS] == [200] * 3
    assert "Traceback" not in stack.log("metrics")
