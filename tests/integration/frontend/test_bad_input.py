"""Wrong values for the front door: one clear message each, and nothing written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from zc.buildout import UserError

from tests.support import describe
from zopestack.buildout import certificates
from zopestack.features.certificates import Unusable, check
from zopestack.model import Stack


@dataclass(frozen=True)
class Bad:
    """A wrong value, and words that the message must have beside section and option."""

    option: str
    value: str
    says: str
    others: tuple[tuple[str, str], ...] = ()


#: The user that owns nothing, by its number everywhere.
NOBODY = 65534

HTTPS = (("https-address", "8443"),)

IN = (("sites", "a.example/in = /x"),)

CASES = (
    Bad("sites", "www.example.com", "'www.example.com' is not one"),
    Bad("sites", "www.example.com = Plone", "is not one"),
    Bad("sites", "www.example.com = /Plone\nWWW.example.com = /Other", "is given twice"),
    Bad("sites", "www.example.com = /Plone\nwww.example.com -> example.com", "is given twice"),
    Bad("sites", "a.example/x = /x\na.example/x/ = /y", "a.example/x is given twice"),
    Bad("sites", "* = /\n* = /Plone", "* is given twice"),
    Bad("sites", "*/x = /Plone", "* has no sub-path"),
    Bad("sites", "www_example.com = /Plone", "is not a host name"),
    Bad("sites", "http://www.example.com = /Plone", "is not a host name"),
    Bad("sites", "-a.example = /Plone", "is not a host name"),
    Bad("sites", f"{'a' * 64}.example = /Plone", "is not a host name"),
    Bad("sites", "a.example:0x50 = /Plone", "is not a host name"),
    Bad("sites", "a.example = /a b", "a path is letters"),
    Bad("sites", "a.example = /a'", "a path is letters"),
    Bad("sites", "a.example = //a", "a path is letters"),
    Bad("sites", "a.example = /VirtualHostRoot", "has another meaning in Zope"),
    Bad("sites", "a.example = /_vh_a", "has another meaning in Zope"),
    Bad("sites", "a.example = /a/..", "has another meaning in Zope"),
    Bad("sites", "a.example. = /Plone", "is not a host name"),
    Bad("sites", "a.example:70000 = /Plone", "the port in 'a.example:70000 = /Plone' is a whole"),
    Bad("sites", "a.example:080 = /Plone", "is not a host name"),
    Bad("sites", "A.example:81 = /\na.Example:81 = /x", "a.example:81 is given twice"),
    Bad("sites", "a.example/x = /x\nA.example -> b.example", "nobody would see a.example/x"),
    Bad("sites", "a.example -> a.example", "redirects to itself"),
    Bad("sites", "a.example -> b.example\nb.example -> a.example", "is itself redirected"),
    Bad("sites", "a.example -> b.example/x", "is not a host name"),
    Bad("health-path", "health", "a path like /health"),
    Bad("health-path", "/", "a path like /health"),
    Bad("health-path", "/a b", "a path like /health"),
    Bad("health-path", "/a%20b", "a path like /health"),
    Bad("health-path", "/a?b", "a path like /health"),
    Bad("health-path", "/a/../b", "a path like /health"),
    Bad("health-path", "/_vh_a", "a path like /health"),
    Bad("health-path", "/.well-known/acme-challenge/x", "no certificate authority asks for"),
    Bad("health-path", "/in", "/in does, by the line a.example/in = /x", IN),
    Bad("health-path", "/in/health", "a path that belongs to no site", IN),
    Bad("health-path", "/x", "/x does, by the line a.example/in = /x", IN),
    Bad("https-address", "host:8443", "an address like"),
    Bad("https-address", "8443", "tls-certificate to be set"),
    Bad("tls-certificate", "self-signed", "https-address to be set"),
    Bad("tls-certificate", "none.pem", "there is no", HTTPS),
    Bad("tls-certificate", "empty", "is empty", HTTPS),
    Bad("tls-certificate", "text.pem", "has no private key", HTTPS),
    Bad("tls-certificate", "alone.pem", "has no private key", HTTPS),
    Bad("tls-certificate", "keyonly.pem", "a PEM file with a certificate", HTTPS),
    Bad("tls-certificate", "mismatch.pem", "belongs to another certificate", HTTPS),
    Bad("tls-certificate", "locked.pem", "a key without a passphrase", HTTPS),
    Bad("tls-certificate", "several", "mismatch.pem belongs to another certificate", HTTPS),
    Bad("tls-certificate", "with space.pem", "a path without"),
    Bad("tls-certificate", "x" * 300, "a PEM file or a directory", HTTPS),
    Bad("http-redirect", "yes", "on or off"),
    Bad("hsts", "1y", "a number of days"),
    Bad("hsts", "0d", "a number of days"),
    Bad("acme-challenge", "nowhere", "a directory or a port"),
    Bad("acme-challenge", "x" * 300, "a directory or a port"),
    Bad("acme-challenge", "70000", "a whole number"),
    Bad("trusted-proxies", "10.0.0.1/8", "host bits"),
    Bad("trusted-proxies", "proxy.example", "networks like"),
    Bad("trusted-proxies", "10.0.0.0/8 10.1.0.0/16", "10.0.0.0/8 and 10.1.0.0/16 do"),
    Bad("admin-networks", "10.0.0.0/8 10.0.0.0/8", "do not overlap"),
    Bad("admin-networks", "::/0 2001:db8::/32", "do not overlap"),
    Bad("proxy-protocol", "on", "trusted-proxies to be set"),
    Bad("proxy-protocol", "true", "on or off"),
    Bad("methods", "", "GET among them"),
    Bad("methods", "GET post", "'post' is not one"),
    Bad("methods", "POST", "GET among them"),
    Bad("max-body-size", "1 GB", "a size like"),
    Bad("max-body-size", "0MB", "a size like"),
    Bad("form-memory-limit", "16", "a size like"),
    Bad("form-memory-limit", "0MB", "a size like"),
    Bad("form-memory-limit", "off", "a size like"),
    Bad("form-memory-limit", "-1MB", "a size like"),
    Bad("form-memory-limit", "1MB\n<x>", "a size like"),
    Bad("form-part-limit", "0", "a whole number from 1"),
    Bad("form-part-limit", "off", "a whole number from 1"),
    Bad("form-part-limit", "1000001", "a whole number from 1 to 1000000"),
    Bad("form-part-limit", "-5", "a whole number from 1"),
    Bad("form-part-limit", "10k", "a whole number from 1"),
    Bad("connections-per-address", "0", "or off"),
    Bad("requests-per-address", "-1", "or off"),
    Bad("concurrent-requests-per-address", "many", "or off"),
    Bad("concurrent-uploads-per-address", "100", "a size like 500kB, 100MB or 2GB, or off"),
    Bad("timeout-http-request", "0s", "a time like"),
    Bad("timeout-queue", "1d", "a time like"),
    Bad("timeout-server", "0s", "a time like"),
    Bad("hard-stop-after", "0s", "a time like"),
    Bad("hard-stop-after", "-1h", "a time like"),
    Bad("hard-stop-after", "2d", "a time like"),
    Bad("hard-stop-after", "soon", "a time like"),
    Bad("hard-stop-after", "off", "a time like"),
    Bad("hard-stop-after", "9m", "at least timeout-server, 660s"),
    Bad("hard-stop-after", "1h", "at least timeout-server, 7200s", (("timeout-server", "2h"),)),
    Bad("request-timeout", "10 minutes", "a time like 60s, 5m or 1h"),
    Bad("request-timeout", "0s", "from 1s to 24h"),
    Bad("request-timeout", "-1m", "a time like"),
    Bad("long-request", "off", "a time like 60s, 5m or 1h"),
    Bad("request-timeout", "25h", "from 1s to 24h"),
    Bad("request-timeout", "off", "a time like"),
    Bad("timeout-server", "5m", "at least the 1800 seconds", (("request-timeout", "30m"),)),
    Bad("hung-after", "29m", "at least the 1800 seconds", (("request-timeout", "30m"),)),
    Bad("timeout-client", "0s", "a time like"),
    Bad("timeout-client", "off", "a time like"),
    Bad("timeout-client", "-1s", "a time like"),
    Bad("timeout-client", "25h", "from 1s to 24h"),
    Bad("timeout-client", "1m\nmode tcp", "a time like"),
    Bad("max-connections", "0", "a whole number from 10 to 1000000, or auto"),
    Bad("max-connections", "9", "a whole number from 10 to 1000000, or auto"),
    Bad("max-connections", "off", "a whole number from 10 to 1000000, or auto"),
    Bad("max-connections", "1000001", "a whole number from 10 to 1000000, or auto"),
    Bad("max-connections", "2k", "a whole number from 10 to 1000000, or auto"),
    Bad("queue-limit", "many", "or off"),
    Bad("queue-priorities", "1", "on or off"),
    Bad("affinity", "session", "none, cookie, authenticated or path"),
    Bad("callback-instances", "-1", "a whole number"),
    Bad("static-cache", "5000MB", "4095MB"),
    Bad("static-cache", "1GB", "4095MB"),
    Bad("compression", "gzip", "'gzip' is not one"),
    Bad("compression", "", "on, off, or media types"),
    Bad("compression", "text/*", "'text/*' is not one"),
    Bad("compression", "text/html;charset=utf-8", "'text/html;charset=utf-8' is not one"),
    Bad("compression", "text/html,text/css", "is not one"),
    Bad("compression", "Text/HTML", "'Text/HTML' is not one"),
    Bad("compression", "text/html image/png", "'image/png' is compressed already"),
    Bad("compression", "application/pdf", "'application/pdf' is compressed already"),
    Bad("compression", "text/css text/css", "each once"),
    Bad("access-log", "/var/log/x", "on or off"),
    Bad("frontend-extra", "nowhere", "a text file"),
    Bad("frontend-extra", "section.cfg", "`backend` in line 3 begins another"),
    Bad("backend-extra", "empty", "a text file"),
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A buildout's directory with certificates of every kind of wrong."""
    where = tmp_path_factory.mktemp("buildout")
    for name in ("one", "two"):
        certificates.make_self_signed(where / "made" / f"{name}.pem", [name])
    one, two = where / "made/one.pem", where / "made/two.pem"
    one_key, two_key = (each.with_name(f"{each.name}.key") for each in (one, two))
    subprocess.run(
        ["openssl", "pkey", "-aes128", "-passout", "pass:x", "-in", one_key, "-out", "locked"],
        cwd=where, check=True, capture_output=True,
    )  # fmt: skip
    shutil.copy(one, where / "alone.pem")
    shutil.copy(one_key, where / "keyonly.pem")
    (where / "text.pem").write_text("no certificate\n")
    (where / "mismatch.pem").write_text(one.read_text() + two_key.read_text())
    (where / "locked.pem").write_text(one.read_text() + (where / "locked").read_text())
    (where / "good.pem").write_text(one.read_text() + one_key.read_text())
    (where / "section.cfg").write_text("# mine\n\n backend other\n")
    (where / "empty").mkdir()
    (where / "several").mkdir()
    for name in ("good.pem", "mismatch.pem"):
        shutil.copy(where / name, where / "several")
    return where


@pytest.fixture
def read(directory: Path) -> Callable[[dict[str, str]], Stack]:
    return lambda options: describe.read(directory, options)


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: f"{bad.option}={bad.value[:40]}")
def test_a_wrong_value_names_itself_and_the_remedy(
    read: Callable[[dict[str, str]], Stack], directory: Path, bad: Bad
) -> None:
    before = sorted(directory.rglob("*"))
    with pytest.raises(UserError) as raised:
        read({bad.option: bad.value, **dict(bad.others)})
    message = str(raised.value)
    assert message.startswith(f"[stack] {bad.option} = ")
    assert bad.says in message
    assert sorted(directory.rglob("*")) == before


def test_an_unreadable_key_is_named(directory: Path) -> None:
    certificate = directory / "made/one.pem"
    shutil.copytree(directory / "made", directory / "secret")
    (directory / "secret/one.pem.key").chmod(0)
    # Root can read anything; somebody else cannot even enter the directory.
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(Unusable, match=r"may read; .*is not readable"):
            check(directory / "secret" / certificate.name)
    finally:
        if root:
            os.seteuid(0)


def test_the_two_addresses_of_the_front_door_may_not_collide(
    read: Callable[[dict[str, str]], Stack],
) -> None:
    options = {"http-address": "*:8443", "https-address": "8443", "tls-certificate": "self-signed"}
    with pytest.raises(UserError, match=r"http-address = \*:8443 and https-address = 8443 collide"):
        read(options)


def test_a_good_certificate_is_taken(
    read: Callable[[dict[str, str]], Stack], directory: Path
) -> None:
    stack = read({"https-address": "8443", "tls-certificate": "good.pem"})
    assert stack.certificate == directory / "good.pem"
    assert stack.tls.hsts_seconds == 730 * 86400


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the user was warned of."""
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_certificate_for_other_hosts_is_a_warning(
    read: Callable[[dict[str, str]], Stack], caplog: pytest.LogCaptureFixture
) -> None:
    """It is made for ``one`` and localhost; in a directory, each may be for another host."""
    sites = "one = /\none/x = /x\nlocalhost:99 = /\n* = /\nother.example = /\nwww.one -> one"
    options = {"https-address": "8443", "sites": sites}
    read({**options, "tls-certificate": "good.pem"})
    assert [each.partition(": ")[2].rpartition("/")[2] for each in warnings(caplog)] == [
        "good.pem: no certificate for other.example. Browsers will warn of it.",
        "good.pem: no certificate for www.one. Browsers will warn of it.",
    ]


def test_a_directory_is_good_where_one_certificate_is_for_each_host(
    read: Callable[[dict[str, str]], Stack], directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"https-address": "8443", "tls-certificate": "both"}
    (directory / "both").mkdir()
    for name in ("one.pem", "one.pem.key", "two.pem", "two.pem.key"):
        shutil.copy(directory / "made" / name, directory / "both")
    read({**options, "sites": "one = /\ntwo = /"})
    assert warnings(caplog) == []
    read({**options, "sites": "one = /\nthree = /"})
    assert len(warnings(caplog)) == 1


def test_an_expired_certificate_is_a_warning(
    read: Callable[[dict[str, str]], Stack], directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expired(directory / "made/one.pem.key", directory / "old.pem", "one")
    read({"https-address": "8443", "tls-certificate": "old.pem", "sites": "one = /"})
    (warning,) = warnings(caplog)
    assert "old.pem: certificate has expired" in warning


def expired(key: Path, certificate: Path, name: str) -> None:
    """Make a certificate that was good for a day, long ago."""
    directory = certificate.with_suffix(".ca")
    directory.mkdir()
    (directory / "index").touch()
    (directory / "serial").write_text("01\n")
    (directory / "conf").write_text(
        f"[ca]\ndefault_ca=own\n[own]\ndatabase={directory}/index\nserial={directory}/serial\n"
        f"new_certs_dir={directory}\ndefault_md=sha256\npolicy=any\nx509_extensions=names\n"
        f"[any]\ncommonName=supplied\n[names]\nsubjectAltName=DNS:{name}\n"
        "[req]\ndistinguished_name=none\n[none]\n"
    )
    conf = ["-config", directory / "conf"]
    request = directory / "request"
    subprocess.run(
        ["openssl", "req", "-new", *conf, "-key", key, "-subj", f"/CN={name}", "-out", request],
        check=True, capture_output=True,
    )  # fmt: skip
    made = directory / "made"
    subprocess.run(
        ["openssl", "ca", "-batch", "-selfsign", *conf, "-keyfile", key, "-in", request,
         "-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-notext", "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.write_text(made.read_text() + key.read_text())


def test_self_signed_without_openssl_names_the_remedy(
    read: Callable[[dict[str, str]], Stack], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = read({"https-address": "8443", "tls-certificate": "self-signed"})
    monkeypatch.setenv("PATH", str(directory))
    with pytest.raises(Unusable, match="apt-get install openssl"):
        certificates.material(stack)


def test_a_self_signed_certificate_is_made_anew_when_its_hosts_change(
    read: Callable[[dict[str, str]], Stack],
) -> None:
    options = {"https-address": "8443", "tls-certificate": "self-signed", "var": "anew"}
    stack = read({**options, "sites": "one.example = /"})
    assert stack.certificate
    certificates.put(certificates.material(stack))
    first = stack.certificate.read_text()
    assert stack.certificate.stat().st_mode & 0o777 == 0o600
    assert stack.certificate.parent.stat().st_mode & 0o777 == 0o700
    assert certificates.material(stack) == {}
    other = read({**options, "sites": "one.example = /\ntwo.example = /"})
    certificates.put(certificates.material(other))
    assert stack.certificate.read_text() != first
    assert certificates.material(stack) == {}
