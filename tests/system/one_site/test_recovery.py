"""Each process killed with no warning: supervisord has it back, and the site answers."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.harness import Site, until


@pytest.mark.parametrize("name", ["instance1", "haproxy", "zeo"])
def test_killed_process_comes_back(site: Site, name: str) -> None:
    before = site.pids()
    os.kill(before[name], signal.SIGKILL)
    until(
        f"supervisord to start another {name}",
        site.pids,
        lambda pids: pids[name] not in (0, before[name]),
    )
    site.wait_ready()
    after = site.pids()
    changed = {program for program in site.stack.programs if after[program] != before[program]}
    assert changed == {name}
    assert site.get("/").status == 200
    # A page that needs the database.
    assert site.get("/manage_main", login=site.admin).status == 200


def test_killed_haproxy_leaves_no_worker_behind(site: Site) -> None:
    master = site.pids()["haproxy"]
    workers = [p for p in site.processes() if p.ppid() == master]
    assert workers
    os.kill(master, signal.SIGKILL)
    until(
        "the workers of the killed HAProxy to end",
        lambda: [worker for worker in workers if worker.is_running()],
        lambda left: not left,
    )
    site.wait_ready()


def test_site_serves_while_one_instance_is_stopped(site: Site) -> None:
    assert site.supervisorctl("stop", "instance1").returncode == 0
    until(
        "HAProxy to see that instance1 is gone",
        lambda: site.servers()["instance1"],
        lambda server: not server.up,
    )
    assert all(site.get("/").status == 200 for _ in range(5))
    assert site.supervisorctl("start", "instance1").returncode == 0
    site.wait_ready()
