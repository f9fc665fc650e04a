"""Varnish under a real supervisord: whatever is stopped, changed or killed, visitors get a page."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from zc.buildout import UserError

from tests.support import describe
from tests.support.fetch import Response, fetch
from tests.support.polling import until
from tests.support.supervised import Supervised
from tests.support.visitor import Visitors
from zopestack import system_program
from zopestack.buildout import trial
from zopestack.features.timings import Timings
from zopestack.haproxy.runtime import Runtime
from zopestack.supervisor.health import ask as health
from zopestack.varnish import program
from zopestack.varnish.admin import Admin


@pytest.fixture(scope="module", params=["front", "balancer"])
def shared(request: pytest.FixtureRequest) -> Iterator[Supervised]:
    """Two instances, and Varnish in front of them."""
    # An agent that nobody has asked for four times as long takes nobody for its balancer.
    timings = Timings(stop=1, check_interval=0.2 if request.param == "front" else 1)
    options = {"varnish": request.param, "stop_grace": "10s", "timeout_queue": "2s"}
    with Supervised(timings=timings, instances=2, **options) as running:
        running.start()
        yield running


@pytest.fixture
def stack(shared: Supervised) -> Supervised:
    """The same, serving."""
    shared.wait_serving()
    until("HAProxy to send to Varnish", lambda: status(shared), lambda seen: seen == "UP")
    return shared


def status(stack: Supervised) -> str:
    """HAProxy's word for Varnish."""
    rows = Runtime(stack.stack.haproxy_socket).statistics()
    return next(row["status"] for row in rows if (row["pxname"], row["svname"]) == ("varnish",) * 2)


def ask(stack: Supervised, path: str) -> Response:
    return fetch(stack.stack.balancer.local_address, path)


@contextmanager
def busy(stack: Supervised, *paths: str) -> Iterator[None]:
    """Visitors are there in the block, and none of them gets an error."""
    address = stack.stack.balancer.local_address
    with ExitStack() as present:
        every = [present.enter_context(Visitors(address, path=path)) for path in paths]
        until("first visits", lambda: all(visitors.served for visitors in every))
        yield
        served = [visitors.served for visitors in every]
        until(
            "more visits",
            lambda: all(v.served > s for v, s in zip(every, served, strict=True)),
        )
    assert [visitors.failures for visitors in every] == [[] for _ in paths]


def ctl(stack: Supervised, *words: str) -> str:
    done = stack.supervisorctl(*words)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_while_no_instance_serves_visitors_get_the_last_page(stack: Supervised) -> None:
    names = [instance.name for instance in stack.stack.instances]
    with busy(stack, "/keep/1"):
        ctl(stack, "stop", *names)
        until(
            "a page beyond its time",
            lambda: ask(stack, "/keep/1").headers["age"],
            lambda age: int(age or 0) > 2,
        )
        page = ask(stack, "/keep/1").text
        missing = ask(stack, "/keep/2")
        assert missing.status == 503
        assert "will be back" in missing.text
        ctl(stack, "start", *names)
        until("a new page", lambda: ask(stack, "/keep/1").text, lambda text: text != page)


def test_what_is_beyond_its_time_is_made_anew_while_an_instance_serves(stack: Supervised) -> None:
    page = kept_beyond_its_time(stack, "anew")
    ctl(stack, "stop", "instance2")
    again = ask(stack, "/keep/1/anew")
    assert again.text != page
    assert int(again.headers["age"]) <= 1
    ctl(stack, "start", "instance2")


def kept_beyond_its_time(stack: Supervised, name: str) -> str:
    """What was made of ``/keep/1/NAME`` more than a second ago; another page is the clock."""
    page, clock = ask(stack, f"/keep/1/{name}").text, f"/keep/600/{name}"
    ask(stack, clock)
    until("it to be old", lambda: ask(stack, clock).headers["age"], lambda age: int(age or 0) > 2)
    return page


def test_where_no_instance_has_answered_in_time_visitors_get_the_last_page(
    stack: Supervised, tmp_path: Path
) -> None:
    """Though all of them serve."""
    page, file = kept_beyond_its_time(stack, "busy"), tmp_path / "released"
    # HAProxy does not count what Varnish gives to an instance.
    slots = stack.stack.threads * (2 if stack.stack.varnish.gives else 1)
    every = [
        threading.Thread(target=ask, args=(stack, f"/hold{file}?{number}"))
        for number in range(slots)
    ]
    for visit in every:
        visit.start()
    until("every slot to be taken", lambda: given(stack) == slots)
    # Again: what has failed takes no page's place.
    assert [ask(stack, "/keep/1/busy").text for _ in range(2)] == [page] * 2
    other = ask(stack, "/keep/1/none")
    assert other.status == 503
    assert "will be back" in other.text
    file.touch()
    for visit in every:
        visit.join()
    assert ask(stack, "/keep/1/busy").text != page


def given(stack: Supervised) -> int:
    """Requests that the instances have been given and have not answered."""
    reports = map(health, stack.stack.instances)
    return sum(report.in_flight for report in reports if report)


def test_instances_that_are_killed_cost_no_page_that_is_kept(stack: Supervised) -> None:
    with busy(stack, "/keep/1"):
        for instance in stack.stack.instances:
            os.kill(stack.pids()[instance.name], signal.SIGKILL)
        until("them to be there again", lambda: {*stack.states().values()} == {"RUNNING"})
        stack.wait_serving()


def test_without_varnish_instances_answer(stack: Supervised) -> None:
    """Killed with what watches over it, it is started again."""
    before = stack.pids()["varnish"]
    with busy(stack, "/keep/1", "/"):
        os.kill(before, signal.SIGKILL)
        until("another one", lambda: stack.pids()["varnish"] not in (0, before))
        until("HAProxy to send to it", lambda: status(stack), lambda seen: seen == "UP")


def test_a_stop_waits_for_what_is_under_way(stack: Supervised, tmp_path: Path) -> None:
    file, answers = tmp_path / "released", []
    visit = threading.Thread(target=lambda: answers.append(ask(stack, f"/hold{file}").status))
    visit.start()
    until("it to be under way", lambda: in_flight(stack))
    stop = stack.popen("stop", "varnish")
    until("HAProxy to send nothing more", lambda: status(stack), lambda seen: seen != "UP")
    assert stack.states()["varnish"] == "STOPPING"
    assert ask(stack, "/").status == 200
    file.touch()
    visit.join()
    assert stop.wait() == 0
    assert answers == [200]
    ctl(stack, "start", "varnish")


def in_flight(stack: Supervised) -> int:
    rows = Runtime(stack.stack.haproxy_socket).statistics()
    return sum(int(row["scur"]) for row in rows if row["svname"] == "varnish")


@pytest.mark.parametrize("words", [("roll",), ("restart", "varnish"), ("restart", "haproxy")])
def test_what_is_restarted_loses_no_visitor(stack: Supervised, words: tuple[str, ...]) -> None:
    with busy(stack, "/keep/1", "/keep/60", "/"):
        ctl(stack, *words)


def test_changed_rules_are_taken_up_and_every_page_stays(stack: Supervised) -> None:
    page, rules = ask(stack, "/keep/600").text, active(stack)
    before = stack.pids()
    with busy(stack, "/keep/1", "/"):
        stack.configure(timeout_queue="3s")
        assert "varnish-reload: updated" in ctl(stack, "update")
    assert active(stack) != rules
    assert len(known(stack)) == 1
    assert ask(stack, "/keep/600").text == page
    assert stack.pids()["varnish"] == before["varnish"]


def test_rules_that_a_request_still_follows_are_in_nobodys_way(
    stack: Supervised, tmp_path: Path
) -> None:
    """Varnish keeps them until it has ended, and takes them for gone."""
    file = tmp_path / "released"
    visit = threading.Thread(target=ask, args=(stack, f"/hold{file}"))
    visit.start()
    until("it to be under way", lambda: in_flight(stack))
    for timeout in ("4s", "5s"):
        stack.configure(timeout_queue=timeout)
        ctl(stack, "update")
    file.touch()
    visit.join()


def known(stack: Supervised) -> list[Mapping[str, str]]:
    """The rules that Varnish has; those that end once no request follows them are not among it."""
    varnish = Admin(stack.stack.varnish.executable, stack.stack.varnish_directory)
    told = json.loads(varnish.command("vcl.list", "-j"))
    return [each for each in told if isinstance(each, dict) and each["status"] != "discarded"]


def active(stack: Supervised) -> str:
    return next(each["name"] for each in known(stack) if each["status"] == "active")


def test_refused_rules_leave_those_that_work(stack: Supervised) -> None:
    rules, text = active(stack), stack.stack.varnish_vcl.read_text()
    stack.stack.varnish_vcl.write_text(f"{text}\nsub broken {{")
    try:
        assert stack.supervisorctl("restart", "varnish-reload").returncode
        said = stack.log("varnish-reload")
        assert "Reload refused; Varnish keeps its current rules" in said
        assert active(stack) == rules
        assert ask(stack, "/").status == 200
    finally:
        stack.stack.varnish_vcl.write_text(text)
        ctl(stack, "restart", "varnish-reload")


def test_more_memory_and_more_instances_lose_no_visitor(stack: Supervised) -> None:
    with busy(stack, "/keep/1", "/"):
        stack.configure(varnish_memory="32MB", instances=3)
        assert "varnish: updated" in ctl(stack, "update")
        stack.wait_serving()
    assert f"malloc,{32 << 20}" in words(stack)


def words(stack: Supervised) -> list[str]:
    """The command of Varnish."""
    (process,) = until("it to run", lambda: psutil.Process(stack.pids()["varnish"]).children())
    return process.cmdline()


def test_only_this_user_reaches_it_and_only_on_this_machine(stack: Supervised) -> None:
    own = stack.stack
    for path in (own.varnish_socket, own.fetch_socket, own.varnish_secret):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(own.varnish_directory.stat().st_mode) & 0o077 == 0
    run = psutil.Process(stack.pids()["varnish"])
    sockets = [
        connection.laddr
        for process in run.children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert own.varnish.varnish_address.port in {each.port for each in sockets}
    assert all(ipaddress.ip_address(each.ip).is_loopback for each in sockets)


def test_off_and_on_again_loses_no_visitor(stack: Supervised) -> None:
    with busy(stack, "/keep/1", "/"):
        stack.configure(varnish="off")
        assert "varnish: removed" in ctl(stack, "update")
        assert not {"varnish", "varnish-reload"} & stack.states().keys()
        stack.configure(varnish="front")
        assert "varnish: added" in ctl(stack, "update")
        until("HAProxy to send to it", lambda: status(stack), lambda seen: seen == "UP")


def test_rules_that_varnish_refuses_are_put_in_no_place(home: Path) -> None:
    describe.template(home, "own", "varnish.vcl.j2", "import std;", "import nothing;")
    options = {"varnish": "front", "templates": "own"}
    stack = describe.read(home, options)
    with pytest.raises(UserError, match=r"varnish.vcl that Varnish does not accept") as refused:
        trial.check(stack, {}, "stack", options)
    assert "Could not find VMOD nothing" in str(refused.value)
    assert str(stack.varnish_vcl) in str(refused.value)
    assert not stack.varnish_vcl.exists()


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("varnishd (varnish-6.0.11 revision x)", "is Varnish 6.0.11"),
        ("something else", "is not varnishd"),
    ],
)
def test_another_program_is_refused(home: Path, says: str, expected: str) -> None:
    given = describe.program(home / "varnishd", says)
    with pytest.raises(program.Unusable, match=rf"{given} {expected}"):
        program.find(given)


def test_a_machine_without_varnish_is_told_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr(system_program, "PLACES", str(home))
    with pytest.raises(program.Unusable, match="none is installed"):
        program.find(None)
    with pytest.raises(UserError, match="varnishd = auto"):
        describe.read(home, {"varnish": "front", "haproxy": "/usr/sbin/haproxy"})


def test_this_machine_has_one(home: Path) -> None:
    found = program.find(None)
    said = subprocess.run([found, "-V"], capture_output=True, text=True, check=True)
    assert ".".join(map(str, program.version(found) or ())) in said.stderr + said.stdout
