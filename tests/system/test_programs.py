"""Programs beside Zope in a buildout of their own, from two files, as people have them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.harness import PATIENCE, Site, until

BASE = """
[supervisor]
plugins = superlance
port = 127.0.0.1:{control}
user = operator
password = correct-horse
programs =
    10 redis redis-server [${{buildout:directory}}/redis.conf] ${{buildout:directory}} true
"""

SECTIONS = """
[supervisor]
programs +=
    600 ticker (autostart=false) ${buildout:bin-directory}/ticker
eventlisteners =
    Memmon TICK_60 ${buildout:bin-directory}/memmon [-p redis=500MB]
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(instances=1) as running:
        (running.directory / "base.cfg").write_text(
            BASE.format(control=running.ports.spare + 1), "utf-8"
        )
        (running.directory / "redis.conf").write_text(
            f"bind 127.0.0.1\nport {running.ports.spare}\nsave ''\n", "utf-8"
        )
        (running.directory / "bin").mkdir()
        running.configure(SECTIONS)
        extend(running)
        (running.directory / "bin/ticker").write_text("#!/bin/sh\nexec sleep 1000\n", "utf-8")
        (running.directory / "bin/ticker").chmod(0o755)
        running.start()
        yield running


def extend(site: Site) -> None:
    """Have buildout.cfg extend the other file."""
    cfg = site.directory / "buildout.cfg"
    cfg.write_text(cfg.read_text("utf-8").replace("versions.cfg", "versions.cfg base.cfg", 1))


def ping(site: Site) -> bytes:
    address = ("127.0.0.1", site.ports.spare)
    with suppress(OSError), socket.create_connection(address, PATIENCE) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(100)
    return b""


def test_they_run_beside_the_site(site: Site) -> None:
    assert ping(site) == b"+PONG\r\n"
    assert site.get("/").status == 200
    states = site.states()
    assert (states["redis"], states["Memmon"], states["ticker"]) == (
        *("RUNNING", "RUNNING"),
        "STOPPED",
    )
    said = site.supervisorctl("stack", check=True).stdout
    assert [line.split()[1] for line in said.splitlines() if line.startswith("redis ")] == [
        "running"
    ]


def test_the_password_is_in_two_files_of_their_owner(site: Site) -> None:
    found = {
        path.relative_to(site.directory).as_posix(): path.stat().st_mode & 0o777
        for path in site.directory.rglob("*")
        if path.is_file() and b"correct-horse" in path.read_bytes()
    }
    # The third one is the user's own.
    assert found.pop("base.cfg")
    assert found == {
        "parts/stack-files/supervisord.conf": 0o600,
        "parts/stack-files/stack.json": 0o600,
    }


def test_up_after_an_edit_restarts_what_it_concerns(site: Site) -> None:
    before = site.pids()
    said = site.up()
    assert "redis is ready" in said
    assert site.pids() == before
    conf = site.directory / "redis.conf"
    conf.write_text(conf.read_text("utf-8") + "maxclients 50\n", "utf-8")
    assert "redis: updated" in site.up()
    after = site.pids()
    assert {name for name in after if after[name] != before[name]} == {"redis"}
    assert ping(site) == b"+PONG\r\n"


def test_a_line_that_cannot_be_changes_nothing(site: Site) -> None:
    before = site.stack.supervisord_conf.read_bytes()
    for line, says in (
        ("20 instance1 bin/instance1 [console] true", "a name that nothing else has"),
        ("20 solr solr [%(nowhere)s]", "names ('nowhere') which cannot be expanded"),
        ("20 solr ${nowhere:location}/solr", "The referenced section, 'nowhere', was not defined"),
    ):
        site.configure(f"[supervisor]\nprograms +=\n    {line}\n")
        extend(site)
        done = site.buildout(check=False)
        assert done.returncode != 0
        assert says in done.stdout
        assert site.stack.supervisord_conf.read_bytes() == before
    site.configure(SECTIONS)
    extend(site)


def test_what_is_named_no_more_goes(site: Site) -> None:
    """Last."""
    site.configure()
    site.up()
    assert {"redis", "Memmon", "ticker"}.isdisjoint(site.pids())
    until("the end of redis", lambda: ping(site) == b"")
    assert not (site.stack.bin / "memmon").exists()
    assert site.get("/").status == 200
