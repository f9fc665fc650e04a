"""bin/buildout and bin/supervisorctl update apply an edit, and restart nothing else."""

from __future__ import annotations

import pytest

from tests.support.harness import Site, until
from zopestack.haproxy import program
from zopestack.haproxy.runtime import Runtime


def applied(site: Site, sections: str = "", **options: object) -> set[str]:
    """What a user types after an edit; the programs that have another process afterwards."""
    before = site.pids()
    site.configure(sections, **options)
    site.buildout()
    updated = site.supervisorctl("update")
    assert updated.returncode == 0, updated.stdout
    site.wait_ready()
    return {name for name, pid in site.pids().items() if pid != before[name]}


def test_an_edit_of_all_instances(site: Site) -> None:
    edited = "[instance]\nzodb-cache-size = 4321"
    assert applied(site, edited) == {"instance1", "instance2"}
    assert "4321" in (site.stack.parts / "instance2/etc/zope.conf").read_text()
    assert applied(site, edited) == set(), "the same again restarts nothing"


def test_an_edit_of_one_instance_and_of_zeo(site: Site) -> None:
    edited = "[instance2]\nenvironment-vars = GREETING hello"
    assert applied(site, edited) == {"instance1", "instance2"}, "both lose the cache size"
    edited = edited.replace("hello", "welcome")
    assert applied(site, edited) == {"instance2"}
    edited += "\n[zeo]\ninvalidation-queue-size = 123"
    assert applied(site, edited) == {"zeo"}
    assert applied(site) == {"zeo", "instance2"}


@pytest.mark.skipif(len(program.installed()) < 2, reason="one HAProxy on this machine")
def test_another_haproxy(site: Site) -> None:
    other = program.installed()[1]
    assert applied(site, haproxy=other) == {"haproxy-reload"}
    version = program.dotted(program.version(other) or ())
    said = Runtime(site.stack.haproxy_socket)
    until("it to run", lambda: f"\nVersion: {version}" in said.command("show info"))
    assert site.get("/").status == 200
    assert applied(site, haproxy="auto") == {"haproxy-reload"}
