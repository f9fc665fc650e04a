"""TLS with ZEO: what is refused before a process starts, and what a real server says."""

from __future__ import annotations

import getpass
import logging
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from zc.buildout import UserError
from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected

from tests.support import describe, freeports
from tests.support.authority import SERVER, Authority
from tests.support.forked import Buildout
from tests.support.polling import until
from zopestack import zeo_tls
from zopestack.agent import untrusted
from zopestack.buildout import handshake, servers
from zopestack.buildout.handshake import Asked
from zopestack.features.address import Address
from zopestack.supervisor import zeo
from zopestack.supervisor.readiness import listens

CONF = """
<zeo>
  address 127.0.0.1:{port}
  {tls}
</zeo>
<filestorage 1>
  path {home}/Data.fs
</filestorage>
"""

TLS = """<ssl>
    certificate {certificate}
    authenticate {authenticate}
  </ssl>"""

#: A function that anybody can import, and what it returns.
FUNCTION, PASSWORD = "getpass.getuser", getpass.getuser()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.issue("good")
    made.issue("expired", expired=True)
    made.issue("elsewhere", hosts="DNS:zeo.example.com")
    made.issue("server", usage=SERVER)
    made.issue("locked", password=PASSWORD)
    return made


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("stranger"))
    made.issue("good")
    return made


class Server:
    """ZEO with or without TLS."""

    def __init__(self, home: Path, certificate: Path | None, authenticate: Path | None) -> None:
        self.ports = freeports.reserve()
        self.address = Address("127.0.0.1", self.ports.zeo)
        tls = TLS.format(certificate=certificate, authenticate=authenticate) if certificate else ""
        conf = home / "zeo.conf"
        conf.write_text(CONF.format(home=home, port=self.ports.zeo, tls=tls), encoding="utf-8")
        command = [sys.executable, "-m", zeo.__name__, "-C", conf]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until("ZEO", lambda: listens(self.address))

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.ports.release()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts a server with a certificate and an authority; the same one for the same two."""
    with ExitStack() as stack:
        known: dict[tuple[Path | None, ...], Server] = {}

        def started(certificate: Path | None = None, authenticate: Path | None = None) -> Server:
            given = certificate, authenticate
            if given not in known:
                known[given] = Server(tmp_path_factory.mktemp("zeo"), *given)
                stack.callback(known[given].stop)
            return known[given]

        yield started


def refused(home: Path, **options: object) -> str:
    texts = {name.replace("_", "-"): str(text) for name, text in options.items()}
    with pytest.raises(UserError) as caught:
        describe.read(home, {"storage": "external", **texts})
    return str(caught.value)


def test_a_certificate_and_its_key_are_read(home: Path, authority: Authority) -> None:
    one, ca = authority.home / "good.pem", authority.certificate
    describe.read(home, {"storage": "external", "zeo-certificate": str(one)})
    found = describe.read(
        home,
        {
            "zeo-certificate": str(one),
            "zeo-key": str(authority.home / "good.key"),
            "zeo-authenticate": str(ca),
            "zeo-address": "192.0.2.1:8400",
        },
    )
    assert zeo_tls.context(found.storage.ssl_of_client)
    assert zeo_tls.context(found.storage.ssl, server=True)


def test_a_key_that_others_may_read(home: Path, authority: Authority, tmp_path: Path) -> None:
    one = shutil.copy(authority.home / "good.pem", tmp_path)
    Path(one).chmod(0o644)
    said = refused(home, zeo_certificate=one)
    assert said == (
        f"[stack] zeo-certificate = {one}\n  is not accepted: expected a key that nobody else may "
        f"read: chmod 600 {one}."
    )


@pytest.mark.parametrize(
    ("certificate", "key", "says"),
    [
        ("nowhere", "", "zeo-certificate = {c}\n  is not accepted: expected a PEM file that you"),
        ("good.pem", "nowhere", "zeo-key = {k}\n  is not accepted: expected a PEM file that you"),
        ("good.pem", "expired.key", "zeo-key = {k}\n  is not accepted: expected a certificate and"),
        ("ca.pem", "", "{c} has no private key, and zeo-key names none"),
        ("good.pem", "good.request", "no private key"),
        ("locked.pem", "", "zeo-certificate = {c}\n  is not accepted: expected zeo-password-func"),
        ("locked.pem", "locked.key", "zeo-key = {k}\n  is not accepted: expected zeo-password-f"),
    ],
)
def test_what_cannot_be_loaded(
    home: Path, authority: Authority, certificate: str, key: str, says: str
) -> None:
    for name in (certificate, key or certificate):
        if (authority.home / name).exists():
            (authority.home / name).chmod(0o600)
    given = {"zeo_certificate": authority.home / certificate}
    if key:
        given["zeo_key"] = authority.home / key
    said = refused(home, **given)
    assert says.format(c=authority.home / certificate, k=authority.home / key) in said


def test_authorities_that_are_none(home: Path, authority: Authority, tmp_path: Path) -> None:
    one = authority.home / "good.pem"
    for given, says in (
        (authority.home / "good.key", "has none"),
        (tmp_path, f"openssl rehash {tmp_path}"),
        (tmp_path / "nowhere", "No such file"),
    ):
        said = refused(home, zeo_certificate=one, zeo_authenticate=given)
        assert said.startswith(f"[stack] zeo-authenticate = {given}\n  is not accepted: expected ")
        assert says in said
    shutil.copy(authority.certificate, tmp_path)
    subprocess.run(["openssl", "rehash", tmp_path], check=True)
    options = {"zeo-certificate": str(one), "zeo-authenticate": str(tmp_path)}
    assert describe.read(home, {"storage": "external", **options}).storage.ssl


def asked(
    authority: Authority, server: Server, certificate: str = "good.pem", **more: str
) -> Asked:
    client = {
        "certificate": str(authority.home / certificate),
        "authenticate": str(authority.certificate),
    }
    client |= {name.replace("_", "-"): text for name, text in more.items()}
    return Asked(host="127.0.0.1", port=server.address.port, client=client, server={})


@pytest.fixture
def tls(authority: Authority, start: Callable[..., Server]) -> Server:
    return start(authority.home / "good.pem", authority.certificate)


def test_a_server_that_is_trusted_and_trusts(authority: Authority, tls: Server) -> None:
    assert handshake.found(asked(authority, tls)) is None
    locked = asked(authority, tls, "locked.pem", password_function=FUNCTION)
    assert handshake.found(locked) is None


@pytest.mark.parametrize(
    ("certificate", "more", "option", "why"),
    [
        ("expired.pem", {}, "zeo-certificate", "that is valid now: certificate has expired"),
        ("server.pem", {}, "zeo-certificate", "that the server accepts from a client; it ends"),
        (
            "good.pem",
            {"server_hostname": "zeo.example.com"},
            "zeo-server-hostname",
            "the host that the server's certificate is for: Hostname mismatch",
        ),
        ("locked.pem", {"password_function": "platform.machine"}, "zeo-password-function", "key: "),
        ("locked.pem", {"password_function": "no.such"}, "zeo-password-function", "called: Module"),
    ],
)
def test_what_either_side_refuses(
    authority: Authority,
    tls: Server,
    certificate: str,
    more: dict[str, str],
    option: str,
    why: str,
) -> None:
    found = handshake.found(asked(authority, tls, certificate, **more))
    assert found
    assert found["option"] == option
    assert re.search(why, found["why"]), found


def test_a_stranger(authority: Authority, stranger: Authority, tls: Server) -> None:
    given = asked(authority, tls)
    given["client"]["authenticate"] = str(stranger.certificate)
    found = handshake.found(given)
    assert found
    assert found["option"] == "zeo-authenticate"
    assert found["why"].startswith("authorities by which both sides trust each other: ")
    # The server, for its part, says less.
    given = asked(authority, tls)
    given["client"]["certificate"] = str(stranger.home / "good.pem")
    assert handshake.found(given) == {
        "option": "zeo-certificate",
        "why": "a certificate that the server accepts from a client; it ends the connection",
    }


def test_one_has_tls_and_the_other_has_not(
    authority: Authority, tls: Server, start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = start()
    assert handshake.found(asked(authority, plain)) == {
        "option": "zeo-certificate",
        "why": "a server with TLS; that one has none",
    }
    given = asked(authority, plain)
    given["client"] = {}
    assert handshake.found(given) is None
    # TLS waits for the client to begin.
    monkeypatch.setattr(handshake, "PATIENCE", 0.2)
    given["port"] = tls.address.port
    assert handshake.found(given) == {
        "option": "",
        "why": "is no ZEO server without TLS; with TLS, zeo-certificate has to be set",
    }
    given["port"] = plain.ports.spare
    found = handshake.found(given)
    assert found
    assert found["why"].startswith("does not answer: ")


def test_a_server_of_the_stack_is_tried_without_running(authority: Authority) -> None:
    for certificate, option, why in (
        ("good.pem", "", ""),
        ("expired.pem", "zeo-authenticate", "certificate has expired"),
        ("server.pem", "zeo-authenticate", "unsuitable certificate purpose"),
        ("elsewhere.pem", "zeo-server-hostname", "IP address mismatch"),
    ):
        section = {
            "certificate": str(authority.home / certificate),
            "authenticate": str(authority.certificate),
        }
        given = Asked(host="127.0.0.1", port=1, client=section, server=section)
        found = handshake.found(given)
        if not option:
            assert found is None
        else:
            assert found
            assert found["option"] == option
            assert why in found["why"]


def test_buildout_tells_it(
    home: Path,
    authority: Authority,
    stranger: Authority,
    tls: Server,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = {
        "storage": "external",
        "zeo-address": str(tls.address),
        "zeo-certificate": str(authority.home / "good.pem"),
        "zeo-authenticate": str(stranger.certificate),
    }
    with pytest.raises(UserError) as caught:
        servers.check(describe.read(home, options), sys.path, "stack", options)
    assert str(caught.value).startswith(
        f"[stack] zeo-authenticate = {stranger.certificate}\n  is not accepted: expected authorit"
    )
    away = {**options, "zeo-address": f"127.0.0.1:{tls.ports.spare}"}
    with caplog.at_level(logging.WARNING):
        servers.check(describe.read(home, away), sys.path, "stack", away)
    assert f"[stack] zeo-address: 127.0.0.1:{tls.ports.spare} does not answer: " in caplog.text


def test_a_zeo_conf_of_the_users_own_must_not_open_it(
    home: Path, authority: Authority, tmp_path: Path
) -> None:
    own = tmp_path / "zeo.conf"
    own.write_text(CONF.format(home=tmp_path, port=8400, tls=""), encoding="utf-8")
    given = {"instances": "1", "zeo-certificate": str(authority.home / "good.pem")}
    given["zeo-authenticate"] = str(authority.certificate)
    text = describe.buildout_cfg(given, {"zeo": {"zeo-conf": str(own)}})
    (home / "buildout.cfg").write_text(text, encoding="utf-8")
    with Buildout() as buildout:
        done = buildout.run(home)
    assert done.returncode == 1
    assert f"[zeo] zeo-conf = {own}\n  is not accepted: zeo could not run: " in done.stderr
    assert "has no <ssl>, unlike the instances." in done.stderr


def test_a_client_without_a_certificate_gets_nothing(authority: Authority, tls: Server) -> None:
    server = tls.address.host, tls.address.port
    with pytest.raises(ClientDisconnected):
        ClientStorage(server, wait_timeout=2)
    anonymous = ssl.create_default_context(cafile=authority.certificate)
    with pytest.raises(ClientDisconnected):
        ClientStorage(server, wait_timeout=2, ssl=anonymous)


def test_the_agent_hears_why(authority: Authority, stranger: Authority, tls: Server) -> None:
    untrusted.listen()
    section = {
        "certificate": str(authority.home / "good.pem"),
        "authenticate": str(stranger.certificate),
    }
    server = tls.address.host, tls.address.port
    with pytest.raises(ClientDisconnected):
        ClientStorage(server, wait_timeout=2, ssl=zeo_tls.context(section))
    assert "certificate verify failed" in untrusted.reasons[server]
    with pytest.raises(ClientDisconnected):
        ClientStorage((tls.address.host, tls.ports.spare), wait_timeout=2)
    assert untrusted.reasons[tls.address.host, tls.ports.spare] == ""


def test_the_agent_makes_no_more_than_one_attempt_a_second(
    authority: Authority, stranger: Authority, tls: Server, caplog: pytest.LogCaptureFixture
) -> None:
    section = {
        "certificate": str(stranger.home / "good.pem"),
        "authenticate": str(authority.certificate),
    }
    server = tls.address.host, tls.address.port
    storage = ClientStorage(server, wait=False, ssl=zeo_tls.context(section))
    with caplog.at_level(logging.INFO):
        untrusted.pace(storage)
        began = time.monotonic()
        caplog.clear()
        until("some", lambda: attempts(caplog), lambda found: found >= 3)
        assert attempts(caplog) <= time.monotonic() - began + 2
    assert untrusted.reasons[server] == untrusted.ENDED
    storage.close()


def attempts(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.msg == "Connected %s" for record in caplog.records)
