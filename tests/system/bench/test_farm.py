"""The built-in pages in real instances, behind everything that is here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support import describe
from tests.support.describe import TEMPLATES
from tests.support.started import Started
from zopestack.haproxy.runtime import Runtime
from zopestack.render.files import render
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.health import ask
from zopestack.supervisor.readiness import listens
from zopestack_bench import Broken, fronts, load, proc, rounds
from zopestack_bench.claims import FRONTEND, PROMISES
from zopestack_bench.farm import Farm, counters
from zopestack_bench.layouts import WAITRESS, Layout, generated, layouts, missing
from zopestack_bench.probe import fetch, until
from zopestack_bench.record import Closed, Experiment, Open, Outcome
from zopestack_bench.target import Target, running
from zopestack_bench.workloads import BLOB, DOWNLOAD, LIBRARY, WORKLOADS

VERSIONS = Path(__file__).parents[3] / "versions.cfg"

KNOWN = {**layouts(2), "waitress": WAITRESS}

#: Those that this machine has and that two instances of one thread suffice for.
THERE = [name for name, x in KNOWN.items() if name not in missing() and x.threads == 1]


#: A peer that does not start.
ENDS = Layout("ends", "", 1, 1, "ends", "/bin/ls --no-such-option", embeds=True)


@pytest.fixture(scope="module")
def farm():
    """Two instances of one thread, and every peer."""
    with Farm([ENDS, *(KNOWN[name] for name in THERE)]) as found:
        yield found
        pids = proc.family(Supervisor(found.stack.supervisor_socket).pid())
        address = found.stack.instances[0].address
    # Nothing is left behind.
    until("the processes to end", lambda: not any(map(alive, pids)), timeout=30)
    assert not found.directory.exists()
    assert not listens(address)


def _assert_every_process_is_counted_once(farm: Farm, target: Target) -> None:
    counted = [pid for pids in target.processes.values() for pid in pids]
    everything = proc.family(Supervisor(farm.stack.supervisor_socket).pid())
    # Those of other layouts, which stay.
    peers = {pid for name in farm.addresses for pid in proc.family(farm.pid(name)) if pid}
    assert len(counted) == len(set(counted))
    assert set(counted) == {*everything} - peers


def writes(farm: Farm) -> int:
    # Through ZEO an instance may learn of the last transaction a moment later.
    return max(int(counters(instance)["writes"]) for instance in farm.stack.instances)


@pytest.mark.parametrize("name", THERE)
def test_every_write_that_is_counted_is_in_the_database(farm, name):
    before = writes(farm)
    layout = KNOWN[name]
    with running(farm, layout) as target:
        measured = load.run(target.address, WORKLOADS["write"].paths, Closed(4), 1)
        processes = target.processes
        assert proc.usage(processes["zope"]).cpu > 0
    assert measured.requests > 0
    expected = before + measured.requests
    until("every write", lambda: writes(farm), lambda found: found >= expected, 10)
    assert writes(farm) == expected
    # HAProxy is gone with its layout; what takes long to start stays.
    assert listens(target.address) is (layout.program != "haproxy")
    if layout.command:
        with running(farm, layout) as again:
            assert again.roots == target.roots


def test_a_sample_has_every_figure(farm):
    names = ("1x1 direct", "2x1")
    outcome = Outcome(Experiment("cpu", Closed(2), names, 1), [])
    rounds.Track(farm, {name: KNOWN[name] for name in names}, print).add(outcome, 1)
    direct, balanced = outcome.samples
    for sample in outcome.samples:
        assert sample.measured.requests > 0
        assert sample.measured.errors == {}
        assert sample.figure("Zope CPU ms") > 0
        assert sample.figure("Zope memory MB") > 10
        assert sample.figure("memory MB") > sample.figure("Zope memory MB")
        assert sample.figure("context switches") > 0
        assert sample.figures["GIL wait ms"] is not None
    assert direct.figures["balancer CPU ms"] is None
    assert balanced.figure("balancer CPU ms") > 0
    # Memory is counted for the instances of the layout alone.
    assert balanced.figure("Zope memory MB") > direct.figure("Zope memory MB")


def test_settings_hold_while_a_layout_runs_and_no_longer(farm):
    settings = {"switch-interval": "0.5ms", "nbthread": "2", "affinity": "path"}
    layout = generated(2, 1, settings)
    instances = farm.instances(2, 1)
    usual = [ask(each).switch_interval for each in instances]
    haproxy = Runtime(farm.stack.haproxy_socket)
    with running(farm, layout) as target:
        assert [ask(each).switch_interval for each in instances] == [0.0005, 0.0005]
        assert "Nbthread: 2\n" in haproxy.command("show info")
        before = [ask(each).requests for each in instances]
        for _ in range(5):
            # A visitor may have the answer before another thread of HAProxy knows that the slot is
            # free, and a preferred instance is passed over while it is not.
            until("free slots", lambda: not any(s.current for s in haproxy.servers().values()))
            fetch(target.address, "/bench-light")
        served = [ask(each).requests - was for each, was in zip(instances, before, strict=True)]
        assert sorted(served) == [0, 5]
    assert [ask(each).switch_interval for each in instances] == usual
    plain = generated(2, 1)
    with running(farm, plain):
        assert "Nbthread: 1\n" in haproxy.command("show info")


FRONTS = {
    side.name: side
    for claim in (*FRONTEND, *PROMISES)
    for side in (claim.this, claim.that)
    if side.name not in KNOWN and side is not fronts.NO_SLOTS_READERS
}


@pytest.mark.parametrize("name", FRONTS)
def test_every_front_end_that_is_compared_answers(farm, name):
    with running(farm, FRONTS[name]) as target:
        measured = load.run(target.address, ("/bench-light",), Open(20), 1, source=target.client)
        assert (measured.requests, measured.errors) == (20, {})
        assert len(target.crowd) == name.count("slow ")
        assert proc.usage(target.processes["helpers"]).cpu > 0
        _assert_every_process_is_counted_once(farm, target)
    assert not listens(target.address)


def test_without_slots_no_page_is_answered_while_downloads_last(farm):
    with running(farm, fronts.NO_SLOTS_READERS) as target:
        measured = load.run(target.address, ("/bench-light",), Open(5), 1, patience=1)
    assert (measured.requests, measured.errors) == (0, {"timeout": 5})


def test_what_is_left_out_of_a_front_end_is_left_out(farm):
    def rendered(templates):
        stack = replace(
            farm.stack, directories=replace(farm.stack.directories, templates=templates)
        )
        found = render(stack)
        return found[stack.haproxy_conf], found[stack.slots_lua]

    whole, lua = rendered(None)
    assert "register_task" in lua
    assert "register_task" not in rendered(fronts.WITHOUT_SLOTS)[1]
    unchecked = rendered(fronts.WITHOUT_RULES)[0]
    for rule in ("http-request deny deny_status 400", "track-sc1", "X-Forwarded-For"):
        assert rule in whole
        assert rule not in unchecked
    assert "http-request capture" in unchecked
    # Each takes the place of a template that the product has.
    for directory in (fronts.WITHOUT_SLOTS, fronts.WITHOUT_RULES):
        assert {each.name for each in directory.iterdir()} <= {
            each.name for each in TEMPLATES.iterdir()
        }


def test_a_limited_client_is_counted_and_this_machine_is_not(farm):
    for layout, counted in ((fronts.COUNTED, True), (fronts.GENERATED, False)):
        with running(farm, layout) as target:
            load.run(target.address, ("/bench-light",), Open(20), 0.5, source=target.client)
            table = Runtime(farm.stack.haproxy_socket).command("show table requests")
            assert (f"key={mapped(fronts.CLIENT)}" in table) is counted


def test_affinity_keeps_a_visitor_s_objects_in_one_cache(farm):
    fronts.prepare(farm)
    hits = {}
    for kind in ("none", "path"):
        layout = fronts.AFFINITIES[kind]
        workload = LIBRARY["large site"]
        experiment = Experiment(workload.name, Closed(1), (layout.name,), 1)
        with running(farm, layout) as target:
            # Every shelf some times over, one after the other: each preferred server is free.
            for _ in range(3):
                shelves = tuple(dict.fromkeys(workload.paths))
                for path in shelves:
                    fetch(target.address, path)
            sample = rounds.measure(layout.name, 1, target, workload, experiment)
        assert sample.figure("objects") == pytest.approx(175)
        hits[kind] = sample.figure("cache hits %")
    assert hits["none"] < 80 < hits["path"]


def test_a_front_end_haproxy_refuses_is_an_error_with_its_last_lines(farm, tmp_path):
    layout = fronts.GENERATED
    describe.template(
        tmp_path, "own", "haproxy.cfg.j2", "stats hide-version\n", "no-such-keyword\n"
    )
    refused = replace(layout, templates=tmp_path / "own")
    with pytest.raises(Broken, match="no-such-keyword"), running(farm, refused):
        pass
    # The next one starts.
    with running(farm, layout) as target:
        assert fetch(target.address, "/bench-light") == b"light\n"


def test_a_peer_that_ends_is_an_error_with_its_last_lines(farm):
    said = r"^ends does not start:(?s:.*)no-such-option"
    with pytest.raises(Broken, match=said), running(farm, ENDS):
        pass


def test_the_pages_are_what_they_are_said_to_be(farm):
    address = farm.stack.instances[0].address
    assert fetch(address, "/bench-cpu").count(b"<a href=") == 300
    assert fetch(address, "/bench-light") == b"light\n"
    assert len(fetch(address, BLOB)) == 16 * 1024 * 1024
    assert len(fetch(address, DOWNLOAD)) == 5_000_000
    with pytest.raises(Broken, match="answers 404"):
        fetch(address, "/no-such-page")


def test_a_run_that_is_stopped_leaves_nothing_behind():
    # supervisord's socket has little room for the path.
    command = [sys.executable, "-m", "zopestack_bench.cli", "--quick", "--only", "1x1"]
    with TemporaryDirectory(prefix="zs-") as temporary:
        environment = {**os.environ, "TMPDIR": temporary}
        with Started(
            command, cwd=VERSIONS.parent, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            while "starting them" not in process.stdout.readline():
                pass
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
        assert process.returncode == 1
        assert not list(Path(temporary).iterdir())
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert temporary not in running


def mapped(address: str) -> str:
    """An IPv4 address as HAProxy keeps it in a table of IPv6 addresses."""
    return f"::ffff:{address}"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
