"""Instances outside the balancer, in a real stack: a worker, and one for debugging."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fetch import fetch
from tests.support.harness import Site, until
from zopestack.features.address import Address
from zopestack.features.instances import Instance
from zopestack.supervisor.health import ask

SECTIONS = """
[worker]
threads = 2
http-address = 127.0.0.1:{worker}
agent-address = 127.0.0.1:{agent}

[debug]
<= instance
http-address = 127.0.0.1:{debug}
agent-address = {debug_agent}
debug-mode = on

[instance]
zodb-cache-size = 1000
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(instances=2, extra_instances="\n    worker\n    debug manual") as running:
        first = running.ports.spare
        names = ("worker", "agent", "debug", "debug_agent")
        running.configure(SECTIONS.format(**dict(zip(names, range(first, first + 4), strict=True))))
        running.start()
        yield running


def extra(site: Site, name: str) -> Instance:
    return next(each for each in site.stack.instances if each.name == name)


def status(site: Site, name: str) -> int:
    """What the instance answers on its own port."""
    return fetch(extra(site, name).address, "/").status


def line(site: Site, name: str) -> str:
    """What ``stack`` says of an instance."""
    lines = site.supervisorctl("stack", check=True).stdout.splitlines()
    return next(each for each in lines if each.startswith(name))


def test_a_worker_serves_on_its_own_port_and_haproxy_leaves_it_out(site: Site) -> None:
    assert extra(site, "worker").address == Address("127.0.0.1", site.ports.spare)
    assert status(site, "worker") == 200
    assert {*site.servers()} == {"instance1", "instance2"}
    assert "serving" in line(site, "worker")
    assert "0/2" in line(site, "worker")
    # Of one database.
    assert site.get("/").status == 200


def test_a_manual_one_starts_when_it_is_told_to(site: Site) -> None:
    assert site.states()["debug"] == "STOPPED"
    assert "stopped" in line(site, "debug")
    site.supervisorctl("start", "debug", check=True)
    assert status(site, "debug") == 200
    conf = (site.stack.parts / "debug/etc/zope.conf").read_text()
    assert "debug-mode on" in conf
    assert "cache-size 1000" in conf
    site.supervisorctl("stop", "debug", check=True)
    # As a person debugs, with the database of the others.
    assert "root: ('',)" in site.run_in_zope("print('root:', app.getPhysicalPath())\n", "debug")


def test_a_roll_restarts_them_and_starts_none(site: Site) -> None:
    before = site.pids()
    said = site.supervisorctl("roll", "all", check=True).stdout
    assert "3 instance(s) restarted" in said
    after = site.pids()
    names = ("instance1", "instance2", "worker")
    assert not {before[name] for name in names} & {after[name] for name in names}
    assert after["debug"] == 0
    site.wait_ready()
    site.supervisorctl("roll", "worker", check=True)
    assert site.pids()["worker"] != after["worker"]
    assert site.pids()["instance1"] == after["instance1"]
    assert status(site, "worker") == 200


def test_a_drain_and_ready(site: Site) -> None:
    site.supervisorctl("drain", "worker", check=True)
    report = ask(extra(site, "worker"))
    assert report is not None
    assert report.status == 404
    # Nothing is missing: it was drained by hand.
    site.wait_ready()
    site.supervisorctl("ready", "worker", check=True)
    until("it to be healthy", lambda: ask(extra(site, "worker")), lambda found: found.healthy)


def test_an_edit_restarts_what_it_concerns(site: Site) -> None:
    before = site.pids()
    site.configure(site.sections.replace("threads = 2", "threads = 3"))
    site.buildout()
    site.supervisorctl("update", check=True)
    site.wait_ready()
    after = site.pids()
    assert before["worker"] != after["worker"]
    assert [before[name] for name in ("instance1", "instance2", "haproxy")] == [
        after[name] for name in ("instance1", "instance2", "haproxy")
    ]
    assert "0/3" in line(site, "worker")
    # What all have in common concerns it, too, and what does not run still does not.
    site.configure(site.sections.replace("zodb-cache-size = 1000", "zodb-cache-size = 2000"))
    site.buildout()
    said = site.up()
    assert "2 instances with 1 thread each" in said
    now = site.pids()
    assert not {after[name] for name in ("instance1", "worker")} & {*now.values()}
    assert now["debug"] == 0
    assert status(site, "worker") == 200


def test_all_is_what_starts_with_the_stack_and_what_runs_beside_it(site: Site) -> None:
    site.supervisorctl("stop", "all", check=True)
    said = site.supervisorctl("start", "all", check=True).stdout
    assert "worker: started" in said
    assert site.states()["debug"] == "STOPPED"
    site.supervisorctl("start", "debug", check=True)
    before = site.pids()
    site.supervisorctl("restart", "all", check=True)
    after = site.pids()
    assert all(after.values())
    assert not {*before.values()} & {*after.values()}
    site.wait_ready()
    site.supervisorctl("stop", "debug", check=True)


def test_what_is_named_no_more_goes(site: Site) -> None:
    """Last."""
    site.configure("[instance]\nzodb-cache-size = 2000\n", extra_instances="")
    site.buildout()
    site.supervisorctl("update", check=True)
    site.wait_ready()
    assert not {"worker", "debug"} & {*site.pids()}
    assert not (site.stack.bin / "worker").exists()


def test_an_instance_made_here_is_nothing_to_extend(site: Site) -> None:
    site.configure("[worker]\n<= instance1\n", extra_instances="worker")
    done = site.buildout(check=False)
    assert done.returncode != 0
    assert "[worker] <= instance1" in done.stdout
    assert "takes the options of [instance] anyway" in done.stdout
