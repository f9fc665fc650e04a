"""A new certificate on a running stack, as certbot's deploy hook has it taken up."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.harness import PATIENCE, Site, until
from zopestack.buildout.certificates import make_self_signed

HOOK = ("restart", "haproxy-reload")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site over https with a certificate of its own."""
    given = tmp_path_factory.mktemp("certificates")
    renew(given, "first")
    with Site(instances=1, tls_certificate=given / "live.pem", http_redirect="off") as running:
        running.configure(https_address=f"127.0.0.1:{running.ports.spare}")
        running.start()
        yield running


def renew(directory: Path, name: str) -> Path:
    """Put another certificate where the site's is."""
    made = directory / "made" / name
    make_self_signed(made, [name])
    live = directory / "live.pem"
    live.write_text(made.read_text() + made.with_name(f"{name}.key").read_text())
    return live


def directory(site: Site) -> Path:
    """Where the site's certificate is."""
    assert site.stack.certificate
    return site.stack.certificate.parent


def shown(site: Site) -> str:
    """The certificate that visitors get now."""
    return ssl.get_server_certificate(("127.0.0.1", site.ports.spare), timeout=PATIENCE)


def connect(site: Site) -> http.client.HTTPSConnection:
    """A connection to be kept open."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(
        "127.0.0.1", site.ports.spare, timeout=PATIENCE, context=context
    )


def test_visitors_get_a_new_certificate_and_nobody_is_cut_off(site: Site) -> None:
    before, haproxy = shown(site), site.pids()["haproxy"]
    connection = connect(site)
    connection.request("GET", "/")
    assert connection.getresponse().read()
    held = connection.sock
    made = renew(directory(site), "second")
    assert shown(site) == before
    site.supervisorctl(*HOOK, check=True)
    until("the new certificate", lambda: shown(site), lambda now: now != before)
    assert shown(site).split() == made.read_text().partition("-----BEGIN PRIV")[0].split()
    assert site.pids()["haproxy"] == haproxy
    # The connection of before is answered once more, by the HAProxy of before.
    connection.request("GET", "/")
    assert connection.sock is held
    assert connection.getresponse().status == 200


def test_a_broken_certificate_changes_nothing_and_the_hook_fails(site: Site) -> None:
    before = shown(site)
    live = directory(site) / "live.pem"
    good = live.read_text()
    live.write_text(good.partition("-----BEGIN PRIV")[0])
    said = site.supervisorctl(*HOOK)
    assert said.returncode != 0
    assert "ERROR (spawn error)" in said.stdout
    message = site.log("haproxy-reload.out.log")
    assert "Reload refused; HAProxy keeps its current configuration: " in message
    assert f"tls-certificate = {live}: expected a PEM file" in message
    assert "has no private key" in message
    assert "Traceback" not in message
    assert shown(site) == before
    assert site.get("/").status == 200
    live.write_text(good)
    site.supervisorctl(*HOOK, check=True)
    assert site.states()["haproxy-reload"] == "RUNNING"
    # Nothing looks like a failure to who checks the stack by the exit status.
    site.supervisorctl("status", check=True)


def test_another_file_of_haproxy_is_taken_up_by_update(site: Site) -> None:
    """Only what is in it has changed, nothing in haproxy.cfg."""
    haproxy = site.stack.haproxy_conf.read_text()
    templates = site.directory / "mine"
    templates.mkdir()
    (templates / "503.html.j2").write_text("<!-- {{ generated }} -->\nBe right back.\n")
    site.configure(templates=templates)
    site.buildout()
    assert site.stack.haproxy_conf.read_text() == haproxy
    pid = site.pids()["haproxy"]
    site.supervisorctl("update", check=True)
    site.supervisorctl("stop", "instance1", check=True)
    answer = until(
        "the new page", lambda: site.get("/"), lambda seen: "Be right back." in seen.text
    )
    assert answer.status == 503
    assert site.pids()["haproxy"] == pid
    site.supervisorctl("start", "instance1", check=True)
    shutil.rmtree(templates)


def test_nothing_new_is_no_reload(site: Site) -> None:
    site.supervisorctl(*HOOK, check=True)
    with socket.create_connection(("127.0.0.1", site.ports.spare), PATIENCE):
        site.supervisorctl(*HOOK, check=True)
    assert (
        site.log("haproxy-reload.out.log")
        .rstrip()
        .endswith("HAProxy already runs with the current files")
    )
