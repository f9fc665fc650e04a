"""Instances that share the memory of one Zope: real Zope, ZEO, HAProxy and supervisord."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.figures import total
from tests.support.harness import Site, until
from tests.support.sharing import change_code, giving, loaders
from zopestack.features.memory import LOADERS
from zopestack.supervisor import group
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.health import ask

#: The third one is loaded with other variables than the rest.
SECTIONS = "[instance3]\nenvironment-vars = LANG C\n"

FORKED = ("instance1", "instance2")


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    with Site(SECTIONS, instances=3, share_memory="on", warm_up="/", stop_grace="5s") as running:
        running.start()
        yield running


def fork_of(site: Site, name: str) -> psutil.Process:
    """The process that serves in an instance's name."""
    _, pid = until(f"the fork of {name}", lambda: group.members(site.pids()[name]), lambda m: m[1:])
    return psutil.Process(pid)


def alone(site: Site, name: str) -> bool:
    return len(group.members(site.pids()[name])) == 1


def ended(process: psutil.Process) -> bool:
    """Whether it has ended, buried by its parent or not."""
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def restart(site: Site, name: str) -> None:
    """Have supervisord start another process, without the time after which it counts as started."""
    before = site.pids()[name]
    site.supervisorctl("signal", "TERM", name, check=True)
    until(f"another {name}", site.pids, lambda pids: pids[name] not in (0, before))
    site.wait_ready()


def line(site: Site, name: str) -> str:
    """What ``stack`` says of an instance."""
    lines = site.supervisorctl("stack", check=True).stdout.splitlines()
    return next(each for each in lines if each.startswith(name))


def test_instances_are_forks_of_one_loader_and_serve(shared: Site) -> None:
    shared.wait_ready()
    loader = loaders(shared)[giving(shared)]
    for name in FORKED:
        assert fork_of(shared, name).ppid() == loader
        # A page that needs the database.
        assert shared.get("/manage_main", at=name, login=shared.admin).status == 200
    assert shared.get("/").status == 200
    # Each its own zope.conf, and nothing the loader's.
    assert psutil.Process(loader).num_threads() == 1
    assert not psutil.Process(loader).net_connections("tcp")


def test_each_fork_has_its_own_logs_caches_and_agent(shared: Site) -> None:
    shared.wait_ready()
    files = {}
    for name in FORKED:
        fork = fork_of(shared, name)
        links = list(Path(f"/proc/{fork.pid}/fd").iterdir())
        opened = [(str(each.readlink()), each.stat().st_ino) for each in links]
        # The cache of a ZEO client is a file that has no name any more.
        files[name] = {each for each in opened if "/log/" in each[0] or "deleted" in each[0]}
        assert str(shared.stack.logs / f"{name}.log") in {path for path, _ in files[name]}
        assert any("deleted" in path for path, _ in files[name])
        instance = next(each for each in shared.stack.instances if each.name == name)
        report = ask(instance)
        assert report is not None
        assert report.pid == fork.pid
    assert not files["instance1"] & files["instance2"]


def test_each_fork_counts_for_itself_and_begins_at_zero(shared: Site) -> None:
    shared.wait_ready()
    one, other = (each.agent for each in shared.stack.instances[:2])
    count = "zopestack_request_seconds_count"
    before = [total(each, count) for each in (one, other)]
    for _ in range(5):
        shared.get("/", at="instance1")
    # A request is counted when its response is on its way.
    until("all five", lambda: total(one, count) == before[0] + 5)
    assert total(other, count) == before[1]
    restart(shared, "instance1")
    # Its own warm-up, and nothing of what the loader has fetched, collected and written.
    assert total(one, count) == 1
    assert total(one, "zopestack_request_seconds_count", method="safe", status="200") == 1
    loader = loaders(shared)[giving(shared)]
    assert total(one, "process_cpu_seconds_total") < sum(psutil.Process(loader).cpu_times()[:2])
    assert total(one, "process_start_time_seconds") > psutil.Process(loader).create_time()


def test_a_fork_asks_at_once_for_the_objects_of_its_first_page(shared: Site) -> None:
    shared.wait_ready()
    log = shared.stack.logs / "instance1.log"
    before = len(log.read_text(encoding="utf-8"))
    restart(shared, "instance1")
    said = log.read_text(encoding="utf-8")[before:]
    objects = re.search(r"prefetch (\d+) objects of main$", said, re.MULTILINE)
    # The root, the application, and what its page needs.
    assert objects and int(objects[1]) > 2
    assert said.index("prefetch") < said.index("Ready to handle requests")


def test_what_cannot_share_is_alone_and_stack_says_why(shared: Site) -> None:
    shared.wait_ready()
    assert alone(shared, "instance3")
    assert "serving; alone: other environment-vars" in line(shared, "instance3")
    assert "alone" not in line(shared, "instance1")
    # A fork and its client together.
    megabytes = group.memory(shared.pids()["instance1"]) / (1 << 20)
    assert f" {megabytes:.0f}"[:-1] in line(shared, "instance1")


def test_stack_shows_what_an_instance_has_for_itself(shared: Site) -> None:
    shared.wait_ready()
    headings, *lines = (
        re.split("  +", each)
        for each in shared.supervisorctl("stack", check=True).stdout.splitlines()
    )
    own = {row[0]: int(row[headings.index("private")].removesuffix(" MB")) for row in lines}
    # Half of a Zope is shared by a fork that has served nobody much.
    assert 0 < max(own[name] for name in FORKED) < own["instance3"] * 0.7
    assert own["instance3"] == pytest.approx(
        group.memory(shared.pids()["instance3"]) / (1 << 20), rel=0.3
    )


def test_a_roll_a_drain_and_a_stop_work_as_ever(shared: Site) -> None:
    shared.wait_ready()
    before = {name: fork_of(shared, name).pid for name in FORKED}
    loader = loaders(shared)[giving(shared)]
    change_code(shared)
    # All of them: code that has changed is to be loaded.
    said = shared.supervisorctl("roll", *FORKED, check=True).stdout
    assert f"{giving(shared)}: loads Zope anew" in said
    after = {name: fork_of(shared, name) for name in FORKED}
    assert not {*before.values()} & {fork.pid for fork in after.values()}
    assert loaders(shared)[giving(shared)] != loader
    assert {fork.ppid() for fork in after.values()} == {loaders(shared)[giving(shared)]}
    shared.supervisorctl("drain", "instance1", check=True)
    assert "draining" in line(shared, "instance1")
    shared.supervisorctl("ready", "instance1", check=True)
    fork = fork_of(shared, "instance1")
    shared.supervisorctl("stop", "instance1", check=True)
    assert ended(fork)
    assert "stopped: instance1 (exit status 0)" in shared.log("supervisord.log")
    shared.supervisorctl("start", "instance1", check=True)
    shared.wait_ready()


@pytest.mark.parametrize("whose", ["client", "fork"])
def test_a_killed_client_or_fork_is_replaced_and_nothing_is_left(shared: Site, whose: str) -> None:
    shared.wait_ready()
    before = shared.pids()
    fork = fork_of(shared, "instance1")
    os.kill(before["instance1"] if whose == "client" else fork.pid, signal.SIGKILL)
    until(
        "another client",
        shared.pids,
        lambda pids: pids["instance1"] not in (0, before["instance1"]),
    )
    shared.wait_ready()
    assert ended(fork)
    assert {n for n, pid in shared.pids().items() if pid != before[n]} == {"instance1"}
    assert fork_of(shared, "instance1").ppid() == before[giving(shared)]


def test_a_killed_loader_takes_no_instance_with_it(shared: Site) -> None:
    shared.wait_ready()
    before, loader = shared.pids(), giving(shared)
    forks = {name: fork_of(shared, name) for name in FORKED}
    os.kill(before[loader], signal.SIGKILL)
    until("another loader", shared.pids, lambda pids: pids[loader] not in (0, before[loader]))
    after = shared.pids()
    assert {n for n, pid in after.items() if pid != before[n]} == {loader}
    assert all(fork.is_running() for fork in forks.values())
    assert all(shared.get("/", at=name).status == 200 for name in FORKED)
    # The next one comes of the new loader, which may load still; the old fork is gone for good.
    restart(shared, "instance1")
    assert ended(forks["instance1"])
    assert fork_of(shared, "instance1").ppid() == after[loader]


def test_without_a_loader_an_instance_starts_alone(shared: Site) -> None:
    shared.wait_ready()
    loader = giving(shared)
    shared.supervisorctl("stop", loader, check=True)
    restart(shared, "instance1")
    assert alone(shared, "instance1")
    assert "no fork of the loader (it does not run): starting alone" in shared.log(
        "instance1.out.log"
    )
    assert "alone: there was no loader when it started" in line(shared, "instance1")
    Supervisor(shared.stack.supervisor_socket).rpc.startProcess(loader, False)
    restart(shared, "instance1")
    assert not alone(shared, "instance1")


def test_switched_off_again(shared: Site) -> None:
    """Last: the site shares nothing any more."""
    shared.configure(SECTIONS, share_memory="off")
    shared.buildout()
    shared.supervisorctl("update", check=True)
    shared.wait_ready()
    assert not {*LOADERS} & {*shared.pids()}
    assert all(alone(shared, name) for name in FORKED)
    assert not shared.stack.forks_socket.is_symlink()
    said = shared.supervisorctl("stack", check=True).stdout
    assert "alone" not in said
    assert "private" not in said
