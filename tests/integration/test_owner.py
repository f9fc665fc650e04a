"""One stack, one owner: operators who come at once, who leave, and files that are deleted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.fetch import fetch
from tests.support.polling import until
from tests.support.started import Started
from tests.support.supervised import Supervised
from tests.support.visitor import Visitors
from zopestack.features.instances import Instance
from zopestack.features.timings import Timings
from zopestack.haproxy.runtime import Runtime
from zopestack.supervisor import daemon
from zopestack.supervisor.health import ask
from zopestack.supervisor.readiness import NotReady

#: A drain takes some tenths of a second with these.
TIMINGS = Timings(stop=1, check_interval=0.2)

OPTIONS = {"instances": 3, "stop_grace": "5s"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Supervised]:
    """Three instances that serve."""
    with Supervised(timings=TIMINGS, **OPTIONS) as running:
        running.start()
        yield running


@contextmanager
def busy(instance: Instance, home: Path) -> Iterator[None]:
    """A request is in flight, for which a drain waits: without one it ends at once."""
    released = home / "released"
    with ThreadPoolExecutor() as executor:
        visitor = executor.submit(fetch, instance.address, f"/hold{released}")
        until("it to be busy", lambda: ask(instance), lambda seen: seen and seen.busy == 1)
        try:
            yield
        finally:
            released.touch()
        assert visitor.result().status == 200


@pytest.fixture
def stack(shared: Supervised) -> Supervised:
    """The same; each test leaves it serving."""
    shared.wait_serving()
    return shared


def delete_socket(stack: Supervised) -> None:
    """What a cleaner of old files does."""
    stack.stack.supervisor_socket.unlink()
    (stack.stack.var / "supervisord.pid").unlink()


def supervisords(stack: Supervised) -> list[int]:
    """Every supervisord of the deployment."""
    script = str(stack.stack.bin / "supervisord")
    return [
        p.pid
        for p in stack.processes()
        if p.status() != psutil.STATUS_ZOMBIE and any(script in word for word in p.cmdline())
    ]


def test_with_its_socket_deleted_supervisord_is_found_and_makes_it_again(stack: Supervised) -> None:
    before = stack.pids()
    running = daemon.pid(stack.stack.supervisor_socket)
    delete_socket(stack)
    # Nobody starts another one, by whichever way.
    second = subprocess.run(
        [stack.stack.bin / "supervisord"],
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"supervisord of this stack runs already, pid {running}" in second.stderr
    done = stack.up()
    assert done.returncode == 0, done.stdout
    assert supervisords(stack) == [running]
    assert stack.pids() == before
    assert int((stack.stack.var / "supervisord.pid").read_text()) == running


def test_a_command_waits_for_a_socket_that_was_deleted(stack: Supervised) -> None:
    delete_socket(stack)
    done = stack.supervisorctl("status")
    assert done.returncode == 0, done.stdout
    assert "instance1" in done.stdout


def test_a_supervisord_that_does_not_make_its_socket_again_is_stopped_and_started() -> None:
    """One of an earlier version of this package."""
    with Supervised(idle=True, timings=TIMINGS, **OPTIONS) as stack:
        text = stack.stack.supervisord_conf.read_text()
        stack.stack.supervisord_conf.write_text(
            text.replace("[rpcinterface:zopestack]", "[unknown]")
        )
        stack.start()
        stack.stack.supervisord_conf.write_text(text)
        old = supervisords(stack)
        stack.stack.supervisor_socket.unlink()
        status = stack.supervisorctl("status")
        assert status.returncode == 4
        assert "its socket" in status.stdout
        assert f"kill {old[0]}, then scripts/up" in status.stdout
        done = stack.up("daemon.MENDED = 0.5")
        assert done.returncode == 0, done.stdout
        assert "has lost its socket" in done.stdout
        stack.wait_running()
        now = supervisords(stack)
        assert len(now) == 1
        assert now != old
        haproxies = [p for p in stack.processes() if p.name() == "haproxy"]
        assert len({p.pid for p in haproxies} & {*stack.pids().values()}) == 1
        assert all(stack.pids()["haproxy"] in (p.pid, p.ppid()) for p in haproxies)


def test_a_supervisord_that_is_stopped_is_said_and_nobody_waits_for_it(
    stack: Supervised,
) -> None:
    running = daemon.pid(stack.stack.supervisor_socket)
    assert running
    os.kill(running, signal.SIGSTOP)
    try:
        until("it to stop", psutil.Process(running).status, psutil.STATUS_STOPPED.__eq__)
        done = stack.up("daemon.ANSWER = 1.0")
        assert done.returncode == 1
        assert f"kill -CONT {running}" in done.stdout
        for command, status in (("status", 4), ("roll all", 1), ("update", 1), ("stack", 1)):
            done = stack.supervisorctl(*command.split())
            assert done.returncode == status, command
            assert f"supervisord (pid {running}) is stopped" in done.stdout
            assert len(done.stdout.splitlines()) == 1
    finally:
        os.kill(running, signal.SIGCONT)


def test_rolls_at_once_come_one_after_the_other_and_no_visitor_notices(stack: Supervised) -> None:
    before = stack.pids()
    with Visitors(stack.stack.balancer.local_address) as visitors:
        rolls = [stack.popen("roll", "all") for _ in range(3)]
        said = [roll.communicate()[0] for roll in rolls]
    assert [roll.returncode for roll in rolls] == [0, 0, 0], said
    assert sum("waiting for pid" in each and "roll all" in each for each in said) >= 2
    assert visitors.failures == []
    assert visitors.served
    after = stack.pids()
    assert all(after[each.name] != before[each.name] for each in stack.stack.instances)


#: Holds the lock until there is nothing more to read.
HOLDER = """
import pathlib, sys
from zopestack.supervisor.owner import Owner
with Owner(pathlib.Path(sys.argv[1]), "roll all", print):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_who_waits_says_for_whom(stack: Supervised) -> None:
    command = [sys.executable, "-c", HOLDER, str(stack.stack.lock)]
    with Started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with stack.popen("update") as update:
            assert update.stdout
            # A line that comes at once, although it is read through a pipe.
            said = update.stdout.readline()
            assert re.fullmatch(rf"waiting for pid {holder.pid}, since [\d:]+: roll all\n", said)
            # What only looks does not wait.
            assert stack.supervisorctl("status").returncode == 0
            assert update.poll() is None
            holder.communicate()
            rest = update.stdout.read()
        assert update.returncode == 0, rest
    assert stack.stack.lock.read_text() == ""


@pytest.mark.parametrize(
    ("command", "reached", "how"),
    [
        (("roll", "all"), "instance1: stopped", signal.SIGINT),
        (("roll", "all"), "instance1: draining", signal.SIGHUP),
        (("restart", "instance2"), "instance2: stopped", signal.SIGHUP),
        (("drain", "instance2"), "instance2: draining", signal.SIGINT),
        (("drain", "instance2"), "instance2: draining", signal.SIGTERM),
    ],
)
def test_who_is_interrupted_leaves_the_site_as_it_was(
    stack: Supervised,
    tmp_path: Path,
    command: tuple[str, ...],
    reached: str,
    how: signal.Signals,
) -> None:
    name, _, what = reached.partition(": ")
    (one,) = (each for each in stack.stack.instances if each.name == name)
    with ExitStack() as held:
        if what == "draining":
            held.enter_context(busy(one, tmp_path))
        with stack.popen(*command) as operator:
            assert operator.stdout
            until(reached, operator.stdout.readline, lambda line: line.startswith(reached))
            operator.send_signal(how)
            held.close()
            rest = operator.stdout.read()
    assert operator.returncode == 1
    assert f"{command[0]}: interrupted" in rest
    assert "Traceback" not in rest
    stack.wait_serving()
    assert not any(stack.stack.drained(each).exists() for each in stack.stack.instances)


@pytest.mark.parametrize("following", ["up", "ready"])
def test_after_one_that_is_killed_in_a_roll_the_next_one_puts_back(
    stack: Supervised, following: str, tmp_path: Path
) -> None:
    one = stack.stack.instances[0]
    with busy(one, tmp_path), stack.popen("roll", one.name) as operator:
        until("the stop", lambda: stack.states()[one.name], "STOPPING".__eq__)
        operator.kill()
    until("the end", lambda: stack.states()[one.name], "STOPPED".__eq__)
    for looking in ("status", "stack"):
        said = stack.supervisorctl(looking).stdout
        assert f"roll {one.name}: was killed; scripts/up puts back what it was at" in said
    done = stack.up() if following == "up" else stack.supervisorctl("ready", "instance2")
    assert done.returncode == 0, done.stdout
    assert f"roll {one.name}: was killed; putting back what it was at" in done.stdout
    assert f"{one.name}: starting again" in done.stdout
    stack.wait_serving()
    assert "killed" not in stack.supervisorctl("status").stdout


def test_after_one_that_is_killed_in_a_drain_the_next_one_ends_it(
    stack: Supervised, tmp_path: Path
) -> None:
    two = stack.stack.instances[1]
    with busy(two, tmp_path), stack.popen("drain", two.name) as operator:
        until("the drain", stack.stack.drained(two).exists)
        operator.kill()
    assert stack.up().returncode == 0
    stack.wait_serving()
    assert not stack.stack.drained(two).exists()


def test_who_hangs_up_leaves_the_site_as_it_was(stack: Supervised) -> None:
    """The terminal is gone: nothing can be written to it."""
    operator = stack.popen("roll", "all")
    assert operator.stdout
    with closing(operator.stdout):
        operator.stdout.readline()
    operator.wait()
    stack.wait_serving()


def test_an_instance_that_was_drained_by_hand_stays_drained_until_ready(stack: Supervised) -> None:
    runtime = Runtime(stack.stack.haproxy_socket)
    assert stack.supervisorctl("drain", "instance2").returncode == 0
    try:
        killed = stack.pids()["instance2"]
        os.kill(killed, signal.SIGKILL)
        until("another process", stack.pids, lambda now: now["instance2"] not in (0, killed))
        rolled = stack.supervisorctl("roll", "all")
        assert rolled.returncode == 0, rolled.stdout
        assert "instance2: still drained" in rolled.stdout
        assert not runtime.servers()["instance2"].up
    finally:
        ready = stack.supervisorctl("ready", "instance2")
    assert ready.returncode == 0, ready.stdout
    assert runtime.servers()["instance2"].up


def test_a_reload_without_haproxys_socket_reloads_and_makes_it_again(stack: Supervised) -> None:
    runtime = Runtime(stack.stack.haproxy_socket)
    master, worker = stack.pids()["haproxy"], runtime.worker()
    stack.stack.haproxy_socket.unlink()
    done = stack.supervisorctl("restart", "haproxy-reload")
    assert done.returncode == 0, done.stdout
    assert runtime.worker() != worker
    assert stack.pids()["haproxy"] == master
    # up does so by itself.
    stack.stack.haproxy_socket.unlink()
    assert stack.up().returncode == 0
    assert runtime.worker()


def test_a_reload_that_cannot_happen_fails(stack: Supervised) -> None:
    kept = stack.stack.stack_file.read_text()
    try:
        for broken, says in ((b"", "is empty"), (b"null", "damaged"), (b"\xff", "not UTF-8")):
            stack.stack.stack_file.write_bytes(broken)
            for command in (("restart", "haproxy-reload"), ("roll", "all"), ("stack",)):
                done = stack.supervisorctl(*command)
                assert done.returncode == 1
                assert says in done.stdout
                assert "run bin/buildout" in done.stdout
                assert len(done.stdout.splitlines()) == 1
        stack.stack.stack_file.unlink()
        for module in ("zopestack.supervisor.reload", "zopestack.haproxy.run"):
            program = (
                stack.stack.bin
                / {"reload": "reload-haproxy", "run": "run-haproxy"}[module.rpartition(".")[2]]
            )
            started = subprocess.run(
                [program, stack.stack.stack_file], capture_output=True, text=True, check=False
            )
            assert started.returncode == 1
            assert "cannot be read (No such file or directory): run bin/buildout" in started.stderr
            assert len(started.stderr.splitlines()) == 1
    finally:
        stack.stack.stack_file.write_text(kept)


def test_what_gave_up_comes_back_with_up_and_zeo_never_gives_up() -> None:
    with Supervised(idle=True, timings=TIMINGS, **OPTIONS) as stack, ExitStack() as later:
        broken = stack.stack.bin / "instance2"
        mended = broken.read_text()
        broken.write_text("#!/bin/sh\nexit 1\n")
        zeo = stack.stack.parts / "instance1/bin/interpreter"
        works = zeo.read_text()
        zeo.write_text("#!/bin/sh\nexit 1\n")
        subprocess.run([stack.stack.bin / "supervisord"], env=stack.environment, check=True)
        later.callback(lambda: None)
        until("supervisord to give up", stack.states, lambda now: now["instance2"] == "FATAL")
        assert stack.states()["zeo"] in ("BACKOFF", "STARTING")
        broken.write_text(mended)
        zeo.write_text(works)
        assert stack.up().returncode == 0
        stack.wait_running()


def test_what_is_ready_is_what_this_supervisord_has_started(stack: Supervised) -> None:
    """Another process that listens in its place does not count."""
    from zopestack.supervisor import readiness

    process = stack.processes_by_name()["instance1"]
    assert readiness._unhealthy(stack.stack, stack.stack.instances[0], process) == ""
    other = stack.processes_by_name()["instance2"]
    said = readiness._unhealthy(stack.stack, stack.stack.instances[0], other)
    assert said.startswith(f"another process, {process.pid}, answers on")
    assert "another process" in readiness._unbalanced(stack.stack, {}, other)
    with pytest.raises(NotReady):
        readiness.wait_ready(stack.stack, 0, print)
