"""The built-in pages in real instances, behind everything that is here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from zopestack.agents import ask
from zopestack.bench import engine, polling, proc, rounds
from zopestack.bench.farm import Broken, Farm, Source, counters, fetch
from zopestack.bench.layouts import generated_layout, layouts
from zopestack.bench.measured import Closed
from zopestack.bench.peers import missing, peers
from zopestack.bench.record import Experiment
from zopestack.bench.workloads import BLOB, WORKLOADS

VERSIONS = Path(__file__).parents[2] / "versions.cfg"

KNOWN = {**layouts(2), **peers(2)}

#: Those that this machine has and that two instances of one thread suffice for.
THERE = [name for name, x in KNOWN.items() if name not in missing() and x.threads == 1]


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    """Two instances of one thread."""
    directory = tmp_path_factory.mktemp("farm")
    found = Farm(directory, Source(VERSIONS), {1: 2})
    try:
        found.start(print)
        pids = [found.pid(name) for name in ("zeo", "instance1", "instance2")]
        yield found
    finally:
        found.stop()
    # Nothing is left behind.
    polling.until(lambda: not any(map(alive, pids)), 30)
    assert not polling.listens(found.stack.instances[0].address)


def writes(farm: Farm) -> int:
    # Through ZEO an instance may learn of the last transaction a moment later.
    return max(int(counters(instance)["writes"]) for instance in farm.stack.instances)


@pytest.mark.parametrize("name", THERE)
def test_every_write_that_is_counted_is_in_the_database(farm, name):
    before = writes(farm)
    with KNOWN[name].serve(farm, KNOWN[name]) as target:
        if KNOWN[name].lasting:
            target.settle()
        measured = engine.run(target.address, WORKLOADS["write"].paths, Closed(4), 1)
        processes = target.processes
        assert proc.usage(processes["zope"]).cpu > 0
    assert measured.requests > 0
    expected = before + measured.requests
    polling.until(lambda: writes(farm) >= expected, 10)
    assert writes(farm) == expected
    # What the layout brought is gone with it.
    assert not polling.listens(target.address) or name.endswith("direct")


def test_a_sample_has_every_figure(farm):
    names = ("1x1 direct", "2x1")
    experiment = Experiment("cpu", Closed(2), names, 1, 1)
    with ExitStack() as lasting:
        track = rounds.Track(farm, {name: KNOWN[name] for name in names}, lasting)
        outcome = rounds.run(track, experiment, WORKLOADS["cpu"], print)
    direct, balanced = outcome.samples
    for sample in outcome.samples:
        assert sample.measured.requests > 0
        assert sample.measured.errors == {}
        assert sample.cpu["zope"] > 0
        assert sample.pss["zope"] > 10_000_000
        assert sample.voluntary + sample.involuntary > 0
        assert sample.gil is not None
    assert "balancer" not in direct.cpu
    assert balanced.cpu["balancer"] > 0
    assert balanced.queue is not None
    # Memory is counted for the instances of the layout alone.
    assert balanced.pss["zope"] > direct.pss["zope"]


def test_settings_hold_while_a_layout_runs_and_no_longer(farm):
    settings = {"switch-interval": "0.5ms", "nbthread": "2", "affinity": "path"}
    layout = generated_layout(2, 1, settings)
    instances = farm.instances(2, 1)
    usual = [ask(each).switch_interval for each in instances]
    with layout.serve(farm, layout) as target:
        assert [ask(each).switch_interval for each in instances] == [0.0005, 0.0005]
        assert "Nbthread: 2\n" in target.runtime.command("show info")
        before = [ask(each).requests for each in instances]
        for _ in range(6):
            fetch(target.address, "/bench-light")
        served = [ask(each).requests - was for each, was in zip(instances, before, strict=True)]
        assert sorted(served) == [0, 6]
    assert [ask(each).switch_interval for each in instances] == usual
    plain = generated_layout(2, 1)
    with plain.serve(farm, plain) as target:
        assert "Nbthread: 1\n" in target.runtime.command("show info")


def test_the_pages_are_what_they_are_said_to_be(farm):
    address = farm.stack.instances[0].address
    assert fetch(address, "/bench-cpu").count(b"<a href=") == 300
    assert fetch(address, "/bench-light") == b"light\n"
    assert len(fetch(address, BLOB)) == 16 * 1024 * 1024
    with pytest.raises(Broken, match="answers 404"):
        fetch(address, "/no-such-page")


def test_a_run_that_is_stopped_leaves_nothing_behind():
    # supervisord's socket has little room for the path.
    command = [sys.executable, "-m", "zopestack.bench.cli", "--quick", "--only", "1x1"]
    with TemporaryDirectory(prefix="zs-") as temporary:
        environment = {**os.environ, "TMPDIR": temporary}
        with subprocess.Popen(
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


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
