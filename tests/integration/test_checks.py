"""scripts/test gets what is missing, or says what it could not run for want of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import checks, packages
from tests.support import describe
from tests.support.describe import CHECKOUT
from zopestack import system_program

#: A directory of tests that need a program, with few tests in it.
BROWSER = "tests/system/browser/test_report.py"


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where scripts/test goes first; the list of packages is found from there."""
    monkeypatch.chdir(CHECKOUT)


def run(path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """scripts/test, once its environment is there, on a machine with nothing but ``path``.

    Nobody is root there, so that nothing is installed.
    """
    code = f"import os, sys; os.geteuid = lambda: 1000; {arguments = }\n"
    code += "from scripts import checks; from zopestack import system_program\n"
    code += "system_program.PLACES = ''\n"
    code += "sys.exit(checks.main(list(arguments)))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env={"PATH": str(path), **environment},
        capture_output=True,
        text=True,
    )


def collected(path: str) -> int:
    return checks._count([path])


def test_what_cannot_be_run_is_counted_and_the_remedy_named(tmp_path: Path) -> None:
    done = run(tmp_path, BROWSER, "tests/unit/test_stack_file.py", "-q")
    assert " passed" in done.stdout
    assert done.stderr.splitlines() == [
        f"{collected(BROWSER)} tests were not run, for want of chromium, chromedriver, openssl: "
        "apt-get install chromium chromium-driver openssl"
    ]
    assert done.returncode == 0


def test_what_the_system_has_is_started_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the PATH or not."""
    describe.program(tmp_path / "served", "yes")
    starts = describe.program(tmp_path / "pytest", "")
    starts.write_text("#!/bin/sh\nexec served\n", encoding="utf-8")
    monkeypatch.setattr(checks, "TOOLS", str(tmp_path))
    monkeypatch.setattr(system_program, "PLACES", str(tmp_path))
    assert checks._tests([]) == 0


def test_where_it_decides_that_is_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, BROWSER, "tests/unit/test_stack_file.py", "-q", CI="true")
    assert " passed" in done.stdout
    assert "were not run" in done.stderr
    assert done.returncode == 1


def test_every_haproxy_is_tested_where_it_decides(tmp_path: Path) -> None:
    chosen = ("tests/unit/test_parsers.py", "--collect-only", "-q")
    assert "--haproxy=auto" in run(tmp_path, *chosen).stdout
    assert "--haproxy=all" in run(tmp_path, *chosen, CI="true").stdout


def test_only_what_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "chromium").symlink_to("/bin/true")
    said = run(tmp_path, BROWSER, "-q").stderr
    assert "for want of chromedriver, openssl: apt-get install chromium-driver openssl\n" in said


def test_tests_that_need_nothing_run_without(tmp_path: Path) -> None:
    done = run(tmp_path, "tests/unit/test_parsers.py", "-q", CI="true")
    assert (done.returncode, done.stderr) == (0, "")
    assert " passed" in done.stdout


def test_root_installs_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The commands of a package manager, as one that only says what it was told sees them."""
    apt = tmp_path / "apt-get"
    apt.write_text('#!/bin/sh\necho apt-get "$@"\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(packages, "_becoming_root", lambda: [])
    wanted = list(packages.requirements([BROWSER]))
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(
        packages, "INSTALL", packages.INSTALL.replace("/usr/sbin/policy-rc.d", str(policy))
    )
    packages.install(wanted)
    update, install = capfd.readouterr().out.splitlines()
    assert update.endswith(" update")
    assert install.endswith("--no-install-recommends chromium chromium-driver openssl")
    assert not policy.exists()


@pytest.mark.parametrize(
    ("arguments", "programs"),
    [
        (["tests/system/browser"], {"chromium", "chromedriver", "node", "npm", "openssl"}),
        (["tests/system/bench/test_farm.py::test_x", "-x"], {"openssl", "varnishd"}),
        (["tests/unit/test_config.py", "tests/unit/benchmark.py"], set()),
    ],
)
def test_the_tests_chosen_decide_what_is_needed(arguments: list[str], programs: set[str]) -> None:
    assert {needed.program for needed in packages.requirements(arguments)} == programs


def test_options_alone_choose_every_test() -> None:
    everything = list(packages.requirements([]))
    assert list(packages.requirements(["-k", "ports"])) == everything
    assert list(packages.requirements(["tests"])) == everything


def test_the_list_names_tests_that_exist() -> None:
    named = {tests for needed in packages.requirements([]) for tests in needed.tests}
    assert all((CHECKOUT / tests).exists() for tests in named)


def test_the_fast_checks_exist() -> None:
    assert all((CHECKOUT / tests).exists() for tests in checks.FAST)
