"""``instances`` 2 -> 4 -> 1 with bin/buildout and bin/supervisorctl update."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.harness import Site, until


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A stack of two, to be scaled."""
    with Site(instances=2) as running:
        running.start()
        yield running


def test_instances_come_and_go(site: Site) -> None:
    first = site.pids()

    apply(site, instances=4)
    four = site.pids()
    assert list(site.servers()) == ["instance1", "instance2", "instance3", "instance4"]
    assert all(server.up for server in site.servers().values())
    for name in ("zeo", "instance1", "instance2"):
        assert four[name] == first[name], f"{name} is unchanged and was restarted"

    apply(site, instances=1)
    one = site.pids()
    assert {name for name in one if name.startswith("instance")} == {"instance1"}
    assert one["instance1"] == first["instance1"]
    assert one["zeo"] == first["zeo"]
    assert site.get("/").status == 200
    assert {path.name for path in site.stack.bin.glob("instance*")} == {"instance1"}
    assert {path.name for path in site.stack.parts.glob("instance*")} == {"instance1"}
    removed = {four[name] for name in ("instance2", "instance3", "instance4")}
    until(
        "the removed instances to be gone",
        lambda: removed & {process.pid for process in site.processes()},
        lambda left: not left,
    )


def test_moved_addresses_and_threads_take_their_processes_along(site: Site) -> None:
    before = site.pids()
    apply(
        site,
        instances=2,
        threads=2,
        base_port=site.ports.base + 1,
        zeo_address=f"127.0.0.1:{site.ports.spare}",
        http_address=f"127.0.0.1:{site.ports.spare + 1}",
    )
    after = site.pids()
    # HAProxy takes up the new addresses without a restart.
    moved = {name for name in before if after[name] != before[name]}
    assert {"zeo", "instance1", "instance2"} & before.keys() <= moved
    assert "haproxy" not in moved
    assert site.get("/").status == 200
    for instance in site.stack.instances:
        assert site.get("/", at=instance.name).status == 200
    listening = {port for _, port in site.listening()}
    assert listening == {listener.address.port for listener in site.stack.listeners()}


def apply(site: Site, **options: object) -> None:
    """What a user types after an edit, and wait for it."""
    site.configure("", **options)
    site.buildout()
    updated = site.supervisorctl("update")
    assert updated.returncode == 0, updated.stdout
    site.wait_ready()
