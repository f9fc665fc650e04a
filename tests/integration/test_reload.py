"""What haproxy-reload looks at; that it reloads is in tests/system."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import describe
from tests.support.started import Started
from zopestack import files
from zopestack.buildout import certificates
from zopestack.features.certificates import CHAIN, KEY
from zopestack.haproxy import launcher
from zopestack.haproxy import program as haproxy
from zopestack.model import Stack
from zopestack.render.files import render
from zopestack.supervisor import reload

LONG_AGO = 1_000_000_000


@pytest.fixture
def stack(home: Path) -> Stack:
    """A stack whose files are in place, with a certificate of the user's own."""
    certificates.make_self_signed(home / "own.pem", ["www.example.com"])
    stack = describe.read(home, {"https-address": "8443", "tls-certificate": "own.pem"})
    for path, text in render(stack).items():
        files.write(path, text)
    files.write(stack.server_state, haproxy.NO_STATE)
    launcher.put(stack.haproxy, stack.balancer.executable)
    return stack


@pytest.mark.parametrize(
    "name",
    [
        "haproxy.cfg",
        "slots.lua",
        "acme.lua",
        "sites.map",
        "redirects.map",
        "preferred.map",
        "pages.map",
    ],
)
def test_every_rendered_file_counts(stack: Stack, name: str) -> None:
    path = stack.configuration / name
    assert path in stack.balancer_files
    before = reload.newest(stack)
    tick()
    files.write(path, path.read_text() + "\n")
    assert reload.newest(stack) > before


def test_another_haproxy_counts_and_so_does_its_upgrade(stack: Stack) -> None:
    before = reload.newest(stack)
    tick()
    upgraded = stack.directory / "haproxy"
    shutil.copy(stack.balancer.executable, upgraded)
    launcher.put(stack.haproxy, upgraded)
    other = replace(stack, balancer=replace(stack.balancer, haproxy=upgraded))
    named = reload.newest(other)
    assert named > before
    tick()
    shutil.copy(stack.balancer.executable, upgraded)
    assert reload.newest(other) > named


@pytest.mark.parametrize("name", ["own.pem", "own.pem.key"])
def test_a_certificate_counts_however_old_it_says_it_is(stack: Stack, name: str) -> None:
    before = reload.newest(stack)
    tick()
    replaced = stack.directory / "replaced"
    shutil.copy(stack.directory / name, replaced)
    os.utime(replaced, (LONG_AGO, LONG_AGO))
    replaced.replace(stack.directory / name)
    assert reload.newest(stack) > before


def test_a_renewal_by_certbot_counts(home: Path) -> None:
    """It moves links in one directory to new files in another."""
    live, archive = home / "live", home / "archive"
    live.mkdir()
    for number in (1, 2):
        certificates.make_self_signed(archive / f"{number}", [])
    for name, suffix in ((CHAIN, ""), (KEY, ".key")):
        (live / name).symlink_to(archive / f"1{suffix}")
    stack = describe.read(home, {"https-address": "8443", "tls-certificate": "live"})
    certificates.put(certificates.material(stack))
    before = reload.newest(stack)
    tick()
    files.link(live / CHAIN, archive / "2")
    tick()
    (archive / "2").touch()
    assert reload.newest(stack) > before


def test_a_certificate_that_is_taken_from_a_directory_counts(home: Path) -> None:
    for name in ("one", "two"):
        certificates.make_self_signed(home / "certificates" / f"{name}.pem", [name])
    stack = describe.read(home, {"https-address": "8443", "tls-certificate": "certificates"})
    before = reload.newest(stack)
    tick()
    (home / "certificates/two.pem").unlink()
    assert reload.newest(stack) > before


def test_good_files_are_not_refused(stack: Stack) -> None:
    assert reload.refusal(stack) == ""


def test_a_broken_certificate_is_refused_in_our_words(stack: Stack) -> None:
    certificates.make_self_signed(stack.directory / "other.pem", [])
    shutil.copy(stack.directory / "other.pem", stack.directory / "own.pem")
    assert "belongs to another certificate" in reload.refusal(stack)


def test_a_broken_file_is_refused_in_haproxys_words(stack: Stack) -> None:
    stack.slots_lua.write_text("local = 1\n")
    assert "slots.lua" in reload.refusal(stack)


def tick() -> None:
    """Until the clock of the file system has moved on."""
    here = Path(__file__).stat().st_ctime
    assert here
    before = time.time()
    while time.time() - before < 0.02:
        pass


def test_the_age_of_a_process_is_counted_from_its_fork() -> None:
    before = time.monotonic()
    with Started(["cat"], stdin=subprocess.PIPE) as process:
        age, most = reload.age(process.pid), time.monotonic() - before
        # To the hundredth of a second that the kernel counts.
        assert -0.02 <= age <= most + 0.02
        assert age < reload.age(os.getpid())
        process.communicate()
    with pytest.raises(OSError):
        reload.age(process.pid)
