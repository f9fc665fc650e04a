"""What an operator types, with supervisorctl, on a real stack."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from itertools import islice
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.support import ledger, packages
from tests.support.harness import COMMANDS, Site, until
from tests.support.started import Started
from tests.support.terminal import Terminal
from zopestack.supervisor.health import ask
from zopestack.supervisor.help import HELP


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    guarded = {"stop_grace": "1s", "memory_limit": "1GB"}
    with Site(ledger.SECTIONS, instances=2, long_request="1s", **guarded) as running:
        running.start()
        ledger.create(running, visitors=1)
        yield running


def instances(site: Site) -> dict[str, int]:
    return {name: pid for name, pid in site.pids().items() if re.fullmatch(r"instance\d", name)}


def test_stack_is_one_table(site: Site) -> None:
    site.get("/ledger/page")
    said = site.supervisorctl("stack", check=True).stdout.splitlines()
    assert said[0].split("  ")[0] == "instance"
    assert [line.split()[0] for line in said[1:]] == ["instance1", "instance2"]
    cells = re.split(r"  +", said[1])
    assert cells[1] == "serving"
    assert cells[2] == str(site.pids()["instance1"])
    assert re.fullmatch(r"\d+ MB", cells[4])
    assert cells[5] == "0/1"
    assert cells[-1] == "L7OK UP"


def test_the_same_for_programs(site: Site) -> None:
    told = json.loads(site.supervisorctl("stack", "--json", check=True).stdout)
    assert [each["name"] for each in told["instances"]] == ["instance1", "instance2"]
    first = told["instances"][0]
    assert (first["pid"], first["healthy"]) == (site.pids()["instance1"], True)
    assert first["memory"] > 1 << 20
    assert told["programs"] == []
    assert told["jobs"] == {}


def test_it_is_shown_live_on_a_terminal(site: Site) -> None:
    with Terminal([site.stack.bin / "supervisorctl", "stack", "--watch"], site.environment) as seen:
        lines = until("a look", seen.lines, lambda lines: "2 of 2 serve" in " ".join(lines))
        assert lines[0].startswith("instance ")
        assert {line.split()[0] for line in lines[1:3]} == {"instance1", "instance2"}
        site.supervisorctl("drain", "instance2", check=True)
        until("the drain", seen.lines, lambda lines: "1 of 2 serve" in " ".join(lines))
        site.supervisorctl("ready", "instance2", check=True)
        assert seen.interrupt() == 0
        assert "Traceback" not in "".join(seen.lines())


def test_into_a_pipe_it_is_plain(site: Site) -> None:
    with Started(
        [site.stack.bin / "supervisorctl", "stack", "--watch"],
        env=site.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        heads = [line for line in islice(process.stdout, 8) if line.startswith("instance  ")]
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert len(heads) == 2


def test_all_logs_are_one(site: Site) -> None:
    command = [site.stack.bin / "supervisorctl", "logs", "-f", "-n", "100000"]
    with Started(command, env=site.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        site.get("/ledger/light?logs-test")
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "logs-test" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    of = [line.split()[0] for line in lines]
    assert {"supervisord", "zeo", "instance1", "instance2", "access"} <= {*of}
    assert of.index("supervisord") < of.index("instance1")
    assert of[-1] == "access"


def test_roll_replaces_every_process(site: Site) -> None:
    before = instances(site)
    said = site.supervisorctl("roll", "all", check=True).stdout
    after = instances(site)
    assert not set(before.values()) & set(after.values())
    assert said.index("instance1: in rotation") < said.index("instance2: draining")


def test_roll_one(site: Site) -> None:
    before = instances(site)
    site.supervisorctl("roll", "instance2", check=True)
    after = instances(site)
    assert after["instance1"] == before["instance1"]
    assert after["instance2"] != before["instance2"]


def test_a_long_request_is_logged_and_shown_and_its_form_is_not(site: Site) -> None:
    enough = site.directory / "long-enough"
    path = f"/ledger/burn?until={enough}&secret={site.admin[1]}"
    request = r"GET \S*/ledger/burn by admin \(\d+\.\d s, id [0-9a-f-]{36}\)"
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(site.get, path, login=site.admin)
        try:
            logged(site, rf" long request: {request}\n")
            shown = site.supervisorctl("threads", "all", check=True).stdout
        finally:
            enough.touch()
        assert answer.result().status < 300
    assert re.search(request, shown)
    assert ", in burn" in shown
    log = logged(site, rf"long request has ended: {request}")
    assert site.admin[1] not in log + shown


def logged(site: Site, pattern: str) -> str:
    """What the instances have logged, once a pattern is in it."""
    return until(
        "the log",
        lambda: site.log("instance1.log") + site.log("instance2.log"),
        lambda log: bool(re.search(pattern, log)),
    )


def test_a_flame_graph_shows_where_the_time_goes(site: Site) -> None:
    enough = site.directory / "enough"
    path = f"/ledger/burn?until={enough}"
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(site.get, path, at="instance1")
        try:
            until("a busy thread", lambda: ask(site.stack.instances[0]), lambda r: r and r.busy)
            said = site.supervisorctl("profile", "instance1", "1", check=True).stdout
        finally:
            enough.touch()
        assert answer.result().status < 300
    picture = Path(said.split()[-1])
    assert picture.parent == site.stack.logs
    assert picture.stat().st_mode & 0o777 == 0o600
    assert "burn (" in picture.read_text("utf-8")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("roll", "instance7"), "instance7: no such instance; did you mean instance"),
        (("roll", "haproxy"), "haproxy: no such instance; known are instance1, instance2"),
        (
            ("roll", "all", "--at-once", "2"),
            "no instance other than instance1, instance2 is serving",
        ),
        (("roll", "--at-once", "none"), "invalid int value"),
        (("roll", "--at-once", "0"), "--at-once: expected a number of at least 1, got 0"),
        (("roll", "--fast"), "unrecognized arguments: --fast"),
        (("drain",), "expected the name of at least one instance"),
        (
            ("drain", "instance1", "instance2"),
            "no instance other than instance1, instance2 is serving",
        ),
        (("ready", "instnace1"), "instnace1: no such instance; did you mean instance1?"),
        (("logs", "nowhere"), "nowhere has no log in"),
        (("logs", "-n", "many"), "invalid int value: 'many'"),
        (("threads",), "expected the name of at least one instance"),
        (("profile", "instance1", "0"), "expected 1 to 3600 seconds, got 0"),
        (("profile", "instance1", "soon"), "invalid int value: 'soon'"),
        (("profile", "haproxy"), "haproxy: no such instance; known are instance1, instance2"),
    ],
)
def test_a_mistake_is_one_message_and_changes_nothing(
    site: Site, command: tuple[str, ...], message: str
) -> None:
    before = site.pids()
    done = site.supervisorctl(*command)
    assert done.returncode != 0
    assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert site.pids() == before
    assert all(server.up for server in site.servers().values())


def test_roll_without_haproxy_touches_nothing(site: Site) -> None:
    site.supervisorctl("stop", "haproxy", check=True)
    before = instances(site)
    try:
        done = site.supervisorctl("roll", "all")
    finally:
        site.supervisorctl("start", "haproxy", check=True)
    assert done.returncode != 0
    assert "HAProxy does not answer, so nothing was changed" in done.stdout
    assert instances(site) == before
    site.wait_ready()


def test_the_doctor_finds_what_is_wrong_with_a_running_stack(site: Site) -> None:
    said = site.supervisorctl("doctor")
    assert (said.returncode, "there is no backup" in said.stdout) == (1, True)
    assert "error:" not in said.stdout
    for _ in range(30):
        assert site.get("/ledger/broken").status == 500
    for _ in range(100):
        assert site.get("/ledger/light").status == 200
    said = site.supervisorctl("doctor")
    assert re.search(r"warning: \d+ of \d+ requests to backend zope ended with", said.stdout)
    site.supervisorctl("stop", "instance2", check=True)
    try:
        said = site.supervisorctl("doctor")
    finally:
        site.supervisorctl("start", "instance2", check=True)
        site.wait_ready()
    assert said.returncode == 2
    assert said.stdout.startswith("error: instance2: STOPPED")


def test_the_doctor_names_newer_releases(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an index of the test's, of what the instances are made of."""
    # All of them: pip names one at a time that it does not find.
    for each in metadata.distributions():
        packages.wheel(tmp_path, canonicalize_name(each.name).replace("-", "_"), each.version)
    installed = metadata.version("waitress")
    newer = f"{installed}.1"
    packages.wheel(tmp_path, "waitress", newer)
    for name in [name for name in site.environment if name.startswith("PIP_")]:
        monkeypatch.delitem(site.environment, name)
    for name, value in (
        ("PIP_CONFIG_FILE", os.devnull),
        ("PIP_NO_INDEX", "1"),
        ("PIP_FIND_LINKS", str(tmp_path)),
    ):
        monkeypatch.setitem(site.environment, name, value)
    said = site.supervisorctl("doctor", "--releases").stdout
    assert f"waitress {installed} ({newer})" in said
    assert "Traceback" not in said


def test_help(site: Site) -> None:
    """Of every command, in one session."""
    done = subprocess.run(
        [site.stack.bin / "supervisorctl"],
        env=site.environment,
        input="".join(f"help {command}\n" for command in HELP),
        capture_output=True,
        text=True,
        check=True,
    )
    for text in HELP.values():
        assert text.strip() in done.stdout


def test_a_page_for_people_when_nothing_is_up(site: Site) -> None:
    site.supervisorctl("stop", "instance1", "instance2", check=True)
    try:
        answer = until("the page", lambda: site.get("/"), lambda seen: seen.status == 503)
    finally:
        site.supervisorctl("start", "instance1", "instance2", check=True)
    assert answer.headers["retry-after"] == "5"
    assert "back in a moment" in answer.text
    site.wait_ready()


def test_haproxy_takes_up_its_own_options_without_a_restart(site: Site) -> None:
    pid = site.pids()["haproxy"]
    before = instances(site)
    site.configure(ledger.SECTIONS, stats_address=f"127.0.0.1:{site.ports.spare}")
    site.buildout()
    site.supervisorctl("update", check=True)
    until("the new address", lambda: site.get("/", at="stats").status == 200)
    assert site.pids()["haproxy"] == pid
    assert instances(site) == before


def test_a_get_whose_instance_dies_is_answered_by_another(site: Site) -> None:
    from tests.system.test_agent import in_background, report

    gate = ledger.Gate(site)
    with in_background(lambda: site.get(gate.page)) as answer, gate:
        until("a busy instance", lambda: report(site, 0).busy + report(site, 1).busy == 1)
        victim = "instance1" if report(site, 0).busy else "instance2"
        os.kill(site.pids()[victim], signal.SIGKILL)
    assert answer[0].status == 200  # type: ignore[attr-defined]
    site.wait_ready()


def test_a_post_whose_instance_dies_is_not_sent_again(site: Site) -> None:
    from tests.system.test_agent import in_background, report

    gate = ledger.Gate(site)
    with (
        in_background(lambda: site.post("/ledger/held", {"until": str(gate.pipe)})) as answer,
        gate,
    ):
        until("a busy instance", lambda: report(site, 0).busy + report(site, 1).busy == 1)
        victim = "instance1" if report(site, 0).busy else "instance2"
        other = 1 if victim == "instance1" else 0
        before = report(site, other).requests
        os.kill(site.pids()[victim], signal.SIGKILL)
    assert answer[0].status in (502, 503)  # type: ignore[attr-defined]
    assert report(site, other).busy == 0
    assert report(site, other).requests == before
    site.wait_ready()


def guard_asked(site: Site, *options: str) -> str:
    """What another guard of the site says and does when it is woken twice, and not by the clock.

    tests/test_guard.py has the clock and every reason for a restart; here are real instances.
    """
    command = (site.directory / "parts/stack-files/supervisord.conf").read_text()
    (words,) = re.findall(r"^command = (\S+/guard-instances .*)$", command, re.MULTILINE)
    event = "ver:3.0 server:x serial:1 pool:g poolserial:1 eventname:TICK_60 len:0\n"
    done = subprocess.run(
        # Of an option that is given twice the last one counts.
        [*words.split(), *options],
        input=event * 2,
        env={**site.environment, "SUPERVISOR_SERVER_URL": f"unix://{site.stack.supervisor_socket}"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    return done.stderr


def test_the_guard_restarts_what_does_not_answer_and_what_is_past_its_limit(site: Site) -> None:
    before = site.pids()
    # An instance serves before supervisord counts it as started.
    until("all to run", lambda: {site.states()[name] for name in before} == {"RUNNING"})
    os.kill(before["instance1"], signal.SIGSTOP)
    said = guard_asked(site, "--patience", "2")
    assert "instance1 has not answered for " in said
    assert "instance1: in rotation" in said
    assert "instance2" not in said
    site.wait_ready()
    after = site.pids()
    assert {name for name in before if after[name] != before[name]} == {"instance1"}

    # Past its limit is the largest of the two, and it is drained.
    said = guard_asked(site, "--memory-limit", "1MB")
    (largest,) = re.findall(r"(instance\d) uses \d+ MB of memory, the limit is 1 MB", said)
    assert f"{largest}: in rotation" in said
    assert "drained after" in site.log(f"{largest}.log")
    site.wait_ready()
    assert {name for name in after if site.pids()[name] != after[name]} == {largest}


def test_new_code_arrives_with_a_roll(make_site: Callable[..., Site]) -> None:
    """A new pin, bin/buildout, roll: every instance runs the new version."""
    site = make_site(instances=2)
    programs = packages.environment(site.directory / "env")
    wheels = site.directory / "wheels"
    wheels.mkdir()
    for version in ("1.0", "2.0"):
        module = STACKDEMO.format(version=version)
        filters = {"paste.filter_factory": "version = stackdemo:factory"}
        packages.wheel(wheels, "stackdemo", version, module, filters)
    # Nothing of this is to be looked up in an index.
    finding = f"[buildout]\nfind-links = {wheels}\nallow-hosts = none.invalid\n"

    def pin(version: str) -> None:
        site.configure(
            f"{finding}\n[instance]\neggs =\n    Zope\n    zopestack\n    stackdemo\n"
            "pipeline =\n    egg:stackdemo#version\n    egg:Zope#httpexceptions\n    zope\n"
            f"[versions]\nstackdemo = {version}\n"
        )
        site.run(programs / "python", COMMANDS / "buildout", "-U", "-N")

    pin("1.0")
    site.run("bin/supervisord")
    site.wait_ready()
    assert site.get("/").headers["x-stackdemo"] == "1.0"
    pin("2.0")
    assert site.get("/").headers["x-stackdemo"] == "1.0"
    site.supervisorctl("roll", "all", check=True)
    for instance in ("instance1", "instance2"):
        assert site.get("/", at=instance).headers["X-Stackdemo"] == "2.0"


STACKDEMO = """\
def factory(global_conf):
    def add(application):
        def call(environ, start_response):
            def start(status, headers, *rest):
                headers = [*headers, ("X-Stackdemo", "{version}")]
                return start_response(status, headers, *rest)
            return application(environ, start)
        return call
    return add
"""
