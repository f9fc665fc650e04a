"""Start-up is ordered, not lucky."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest

from tests.support.harness import Site, until
from zopestack.supervisor.readiness import NotReady


@pytest.mark.timeout(600)
def test_eight_instances_on_a_fresh_database_come_up_at_the_first_attempt(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(instances=8)
    site.start()
    spawned = Counter(re.findall(r"spawned: '([\w-]+)'", site.log("supervisord.log")))
    for name in site.stack.programs:
        assert spawned[name] == 1, f"{name} was started {spawned[name]} times"
        assert "ConflictError" not in site.log(f"{name}.out.log"), name
    # One database was made, with one manager in it.
    assert site.log("zeo.out.log").count("creating it") == 1
    for instance in site.stack.instances:
        assert site.get("/manage_main", at=instance.name, login=site.admin).status == 200


def test_instances_wait_for_a_zeo_that_comes_late(site: Site) -> None:
    site.supervisorctl("stop", "zeo", "instance1", "instance2")
    size = len(site.log("instance1.out.log"))
    site.supervisorctl("start", "instance1", "instance2")
    until(
        "instance1 to look for zeo",
        lambda: site.log("instance1.out.log")[size:],
        lambda said: f"retry connecting ('127.0.0.1', {site.ports.zeo})" in said,
    )
    # An instance that waits takes no visitors: HAProxy answers itself.
    with pytest.raises(ConnectionRefusedError):
        site.get("/", at="instance1")
    until(
        "HAProxy to leave the instances out",
        site.servers,
        lambda servers: not any(server.up for server in servers.values()),
    )
    assert site.get("/").status == 503
    site.supervisorctl("start", "zeo")
    site.wait_ready()
    assert site.get("/").status == 200


def test_stack_stops_and_starts_again_with_its_content(site: Site) -> None:
    site.post("/manage_addProduct/OFSP/manage_addFolder", {"id": "kept"}, login=site.admin)
    password = site.admin[1]
    site.run("bin/supervisorctl", "shutdown")
    until("every process to end", site.processes, lambda left: not left)
    site.buildout()
    site.run("bin/supervisord")
    site.wait_ready()
    assert site.get("/kept/getId").text == "kept"
    assert site.admin[1] == password


def test_instance_that_cannot_start_is_named_with_its_log(make_site: Callable[..., Site]) -> None:
    # Wrong under supervisord only: bin/buildout finds what is wrong everywhere.
    program = "__import__('os').environ.get('SUPERVISOR_PROCESS_NAME')"
    wrong = f"assert {program} != 'instance2', 'rubbish'"
    site = make_site(f"[instance2]\ninitialization = {wrong}\n", instances=2)
    site.buildout()
    site.run("bin/supervisord")
    with pytest.raises(NotReady) as caught:
        site.wait_ready()
    said = str(caught.value)
    assert "instance2: supervisord gave up starting it" in said
    assert "rubbish" in said
    assert "instance1:" not in said
