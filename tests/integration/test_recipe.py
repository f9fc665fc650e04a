from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from zc.buildout import configparser

from tests.support import describe
from tests.support.bad_input import BAD, TEMPLATES, Bad
from tests.support.forked import Buildout
from zopestack import stack_file

BUILDOUT = Path(sys.executable).parent / "buildout"

GOOD = {"instances": "2", "base-port": "8181"}

SECOND_STACK = Bad(
    "a second stack",
    "more",
    "recipe",
    "zopestack",
    "makes a second stack",
    {"instances": "2"},
    {"more": {"recipe": "zopestack"}, "buildout": {"parts": "stack more"}},
)

OWN_LOADER = Bad(
    "a section of the loader's name",
    "stack",
    "share-memory",
    "on",
    "no section [loader]: it is a part now",
    {"instances": "2", "share-memory": "on"},
    {"loader": {"recipe": "zopestack:files"}},
)

OF_A_PART = Bad(
    "a group of a part's name",
    "stack",
    "groups",
    "stack-guards = /a",
    "a name that nothing else has, not stack-guards",
    {"instances": "2", "groups": "stack-guards = /a"},
)


def buildout(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run buildout as a user does, but with no network and none of his own defaults."""
    return subprocess.run(
        [BUILDOUT, "-U", "-o"],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def configure(
    directory: Path,
    options: Mapping[str, str],
    sections: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    text = describe.buildout_cfg(options, sections)
    (directory / "buildout.cfg").write_text(text, encoding="utf-8")


def snapshot(directory: Path) -> dict[str, object]:
    """Every file but buildout.cfg: mode, time and content."""
    return {
        str(path.relative_to(directory)): described(path)
        for path in directory.rglob("*")
        if path.is_file() and path.name != "buildout.cfg"
    }


def described(path: Path) -> object:
    if path.name == ".installed.cfg":
        # Buildout appends to it before it looks at any part; what it means is the same.
        with open(path, encoding="utf-8") as file:
            return configparser.parse(file, path.name)
    if path.name == "stack.lock":
        # Buildout holds it while it looks, too.
        return None
    found = path.lstat()
    return found.st_mode, found.st_mtime_ns, path.read_bytes()


@pytest.fixture(scope="module")
def forked() -> Iterator[Buildout]:
    """For refusals, of which there are many."""
    with Buildout() as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[Path]:
    """A directory where a good buildout has run."""
    with tempfile.TemporaryDirectory(prefix="zs-") as name:
        directory = Path(name)
        describe.furnish(directory)
        configure(directory, GOOD)
        check_succeeded(buildout(directory))
        yield directory


def check_succeeded(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr


def check_refused(done: subprocess.CompletedProcess[str], *says: str) -> None:
    """One clear message, and nothing that looks like a bug."""
    assert done.returncode != 0
    assert len(re.findall("^Error: ", done.stderr, re.MULTILINE)) == 1
    assert "Traceback" not in done.stdout + done.stderr
    for text in says:
        assert text in done.stderr


@pytest.mark.parametrize(
    "case",
    [*(case for case in BAD if case.buildout), *TEMPLATES, SECOND_STACK, OWN_LOADER, OF_A_PART],
    ids=lambda case: case.name,
)
def test_bad_input_changes_nothing(case: Bad, site: Path, forked: Buildout) -> None:
    before = snapshot(site)
    configure(site, case.stack, case.sections)
    done = forked.run(site)
    shown = case.value if case.value.isprintable() else repr(case.value)
    check_refused(done, f"[{case.section}]", f"{case.option} = {shown[:80]}", case.says)
    assert snapshot(site) == before


def test_an_egg_that_is_nowhere_changes_nothing(site: Path) -> None:
    before = snapshot(site)
    configure(site, {"instances": "2", "eggs": "Zope no-such-egg-here"})
    check_refused(buildout(site), "is offline (-o): no-such-egg-here", "the names under eggs")
    assert snapshot(site) == before


def test_a_directory_that_no_script_can_name(home: Path, forked: Buildout) -> None:
    (home / "my site").mkdir()
    configure(home / "my site", {})
    check_refused(forked.run(home / "my site"), "[buildout] directory = ", "a path without ' '")
    assert snapshot(home / "my site") == {}


@pytest.mark.parametrize("place", ["var/log", "parts/stack-files"])
def test_what_only_writing_finds_out_is_one_message_too(home: Path, place: str) -> None:
    (home / place).parent.mkdir()
    (home / place).write_text("in the way")
    configure(home, {})
    check_refused(buildout(home), "cannot be written", place)


def test_every_file_agrees_with_the_stack(site: Path) -> None:
    stack = stack_file.load(site / "parts/stack-files/stack.json")
    assert stack == describe.read(site, GOOD)
    assert "server instance2 127.0.0.1:8182 maxconn 1" in stack.haproxy_conf.read_text()
    assert "listen = 127.0.0.1:8182" in (site / "parts/instance2/etc/wsgi.ini").read_text()
    assert f"address {stack.storage.zeo_address}\n" in (site / "parts/zeo/etc/zeo.conf").read_text()
    assert (
        f"server {stack.storage.zeo_address}\n"
        in (site / "parts/instance1/etc/zope.conf").read_text()
    )


def test_the_password_is_in_its_file_and_nowhere_else(site: Path) -> None:
    secret = site / "var" / "admin-password"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    password = secret.read_bytes().strip()
    assert len(password) >= 20
    found = [path for path in site.rglob("*") if path.is_file() and password in path.read_bytes()]
    assert found == [secret]


def test_no_command_names_a_password(site: Path) -> None:
    text = (site / "parts/stack-files/supervisord.conf").read_text()
    commands = re.findall("^command = (.*)", text, re.MULTILINE)
    assert len(commands) == 7
    assert sum(str(site / "var/admin-password") in command for command in commands) == 1
    assert "admin:" not in "".join(commands)


def test_sections_of_the_user(home: Path) -> None:
    """``<=``, references and parts of his own, before and after, as in any buildout."""
    configure(
        home,
        {"instances": "2", "<": "defaults", "groups": "rest = /++api++"},
        {
            "buildout": {"parts": "before stack instance-after"},
            "defaults": {"base-port": "8281"},
            "large": {"zodb-cache-size": "777", "threads": "2"},
            "instance": {
                "<": "large",
                "event-log": "${buildout:directory}/${:_buildout_section_name_}.log",
                "initialization": "import antigravity",
            },
            "instance2": {"threads": "${numbers:one}", "eggs": "${numbers:eggs}\n  zopestack"},
            "numbers": {"one": "1", "eggs": "Zope >= 6", "soon": "5s"},
            "rest": {"<": "large", "timeout-queue": "${numbers:soon}", "threads": "${numbers:one}"},
            "before": {
                "recipe": "zc.recipe.egg:eggs",
                "eggs": "supervisor",
                "threads": "${instance2:threads}",
            },
            "instance-after": {
                "recipe": "zc.recipe.egg:eggs",
                "eggs": "supervisor",
                "address": "${instance2:http-address} with ${instance2:threads}",
            },
        },
    )
    check_succeeded(buildout(home))
    haproxy = (home / "parts/stack-files/haproxy.cfg").read_text()
    assert "instance1 127.0.0.1:8281 maxconn 2 " in haproxy
    assert "instance2 127.0.0.1:8282 maxconn 1 " in haproxy
    assert "instance3 127.0.0.1:8283 maxconn 1 " in haproxy
    assert "timeout queue 5s" in haproxy
    for name in ("instance1", "instance2", "instance3"):
        assert "cache-size 777\n" in (home / f"parts/{name}/etc/zope.conf").read_text()
        assert f"'{home}/{name}.log'" in (home / f"parts/{name}/etc/wsgi.ini").read_text()
    assert "address = 127.0.0.1:8282 with 1\n" in (home / ".installed.cfg").read_text()
    # What is meant for Zope, Zope alone runs.
    initialized = {
        path.name for path in (home / "bin").iterdir() if "antigravity" in path.read_text()
    }
    assert {"instance1", "instance2", "instance3"} <= initialized
    assert not initialized & {
        "guard-instances",
        "reload-haproxy",
        "run-haproxy",
        "run-zeo",
        "supervisord",
    }
    assert "write-access-log" not in initialized


def test_where_a_part_fails_the_files_of_the_stack_are_still_there(home: Path) -> None:
    """A new version of zopestack has buildout remove every part and install it again."""
    configure(home, {"instances": "1"})
    check_succeeded(buildout(home))
    made = home / "parts/stack-files"
    before = snapshot(made).keys()
    installed = home / ".installed.cfg"
    text = installed.read_text()
    installed.write_text(text.replace("__buildout_signature__ = ", "__buildout_signature__ = old "))
    # What a recipe refuses is found before; this is found when the script is written.
    (home / "bin/zeo").unlink()
    (home / "bin/zeo").mkdir()
    failed = buildout(home)
    assert "Uninstalling stack-files" in failed.stdout + failed.stderr
    assert "Is a directory" in failed.stdout + failed.stderr
    assert snapshot(made).keys() == before
    # The HAProxy that runs executes it at the next reload.
    assert os.access(made / "haproxy", os.X_OK)


def test_a_copy_does_not_uninstall_the_original(site: Path, home: Path) -> None:
    before = snapshot(site)
    shutil.copytree(site, home / "copy", symlinks=True)
    configure(home / "copy", GOOD | {"threads": "2"})
    done = buildout(home / "copy")
    check_refused(done, "is a copy", str(site / "parts"), "Delete", ".installed.cfg")
    assert snapshot(site) == before
    (home / "copy/.installed.cfg").unlink()
    check_succeeded(buildout(home / "copy"))
    assert snapshot(site) == before


def test_removing_the_stack_keeps_the_data(home: Path) -> None:
    configure(home, {"instances": "1"})
    check_succeeded(buildout(home))
    assert (home / "bin/instance1").exists()
    (home / "buildout.cfg").write_text("[buildout]\nparts =\n")
    check_succeeded(buildout(home))
    assert not (home / "bin/instance1").exists()
    assert not (home / "parts/stack-files").exists()
    assert (home / "var/admin-password").exists()
