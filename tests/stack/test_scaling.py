"""``instances`` 2 -> 4 -> 1 with bin/buildout and bin/supervisorctl update."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack.harness import Site, until


@pytest.fixture
def site() -> Iterator[Site]:
    """A stack of two, to be scaled."""
    with Site(instances=2) as running:
        running.start()
        yield running


def test_instances_come_and_go(site: Site) -> None:
    first = site.pids()

    scale(site, 4)
    four = site.pids()
    assert list(site.servers()) == ["instance1", "instance2", "instance3", "instance4"]
    assert all(server.up for server in site.servers().values())
    for name in ("zeo", "instance1", "instance2"):
        assert four[name] == first[name], f"{name} is unchanged and was restarted"
    assert set(four) == {"zeo", "instance1", "instance2", "instance3", "instance4", "haproxy"}

    scale(site, 1)
    one = site.pids()
    assert set(one) == {"zeo", "instance1", "haproxy"}
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


def scale(site: Site, instances: int) -> None:
    """What a user types, and wait for it."""
    site.configure(instances=instances)
    site.buildout()
    updated = site.supervisorctl("update")
    assert updated.returncode == 0, updated.stdout
    site.wait_ready()
