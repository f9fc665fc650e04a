"""What visitors and the administrator get from a running stack, and who else could."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Callable

import pytest

from tests.support.harness import Site, until


def test_first_page_comes_through_haproxy(site: Site) -> None:
    before = sum(server.total for server in site.servers().values())
    answer = site.get("/")
    assert answer.status == 200
    assert "Zope" in answer.text
    assert sum(server.total for server in site.servers().values()) > before


def test_every_instance_gets_requests(site: Site) -> None:
    before = site.servers()
    for _ in range(10):
        assert site.get("/").status == 200
    after = site.servers()
    assert {name for name in after if after[name].total > before[name].total} == set(before)


def test_manager_logs_in_with_the_generated_password(site: Site) -> None:
    answer = site.get("/manage_main", login=site.admin)
    assert answer.status == 200
    assert "manage_workspace" in answer.text


@pytest.mark.parametrize("login", [None, ("admin", "admin"), ("admin", ""), ("admin", "admin:")])
def test_nobody_else_does(site: Site, login: tuple[str, str] | None) -> None:
    assert site.get("/manage_main", login=login).status == 401


def test_what_one_instance_writes_another_reads(site: Site) -> None:
    made = site.post(
        "/manage_addProduct/OFSP/manage_addDTMLMethod",
        {"id": "note", "title": "written on instance1"},
        at="instance1",
        login=site.admin,
    )
    assert made.status in (200, 302)
    # ZEO tells the other instances of a change when it is done, not before.
    read = until(
        "the note to be on instance2",
        lambda: site.get("/note/title_or_id", at="instance2"),
        lambda answer: answer.status == 200,
    )
    assert read.text == "written on instance1"


def test_visitors_address_is_what_haproxy_says(site: Site) -> None:
    """Not what the visitor claims."""
    site.post(
        "/manage_addProduct/OFSP/manage_addDTMLMethod",
        {"id": "forwarded", "file": "<dtml-var HTTP_X_FORWARDED_FOR>"},
        login=site.admin,
    )
    claimed = {"X-Forwarded-For": "192.0.2.1"}
    answer = until(
        "the method to answer",
        lambda: site.request("GET", "/forwarded", headers=claimed),
        lambda answer: answer.status == 200,
    )
    assert answer.text == "127.0.0.1"


def test_status_page_shows_every_instance_up(site: Site) -> None:
    page = site.get("/;csv", at="stats").text
    assert {"zope,instance1", "zope,instance2"} <= {
        ",".join(line.split(",")[:2]) for line in page.splitlines() if ",UP," in line
    }
    assert "haproxy_server_status" in site.get("/metrics", at="stats").text


def test_every_listener_is_on_loopback(site: Site) -> None:
    listening = site.listening()
    assert all(ipaddress.ip_address(host).is_loopback for host, _ in listening), listening
    # And nothing but what the Stack says.
    declared = {(x.address.host, x.address.port) for x in site.stack.listeners()}
    assert listening == declared


def test_sockets_and_password_are_for_their_owner_only(site: Site) -> None:
    secret = {site.stack.password_file, *site.stack.sockets}
    found = {path for path in site.stack.var.rglob("*") if path.is_socket()}
    assert found <= secret
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in secret}
    assert modes == dict.fromkeys(modes, 0o600)


def test_password_is_on_no_command_line_and_in_no_other_file(site: Site) -> None:
    _, password = site.admin
    for process in site.processes():
        assert password not in " ".join(process.cmdline())
    for path in site.directory.rglob("*"):
        if path.is_file() and path != site.stack.password_file:
            assert password.encode() not in path.read_bytes(), path


def test_a_second_stack_beside_the_first(site: Site, make_site: Callable[..., Site]) -> None:
    other = make_site(instances=1)
    other.start()
    assert other.get("/").status == site.get("/").status == 200
    assert other.admin[1] != site.admin[1]
    assert other.get("/manage_main", login=site.admin).status == 401
    other.stop()
    assert site.get("/").status == 200
    assert site.supervisorctl("status").returncode == 0
