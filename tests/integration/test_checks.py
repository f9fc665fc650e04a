"""scripts/test says what is missing before it runs anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import checks
from tests.support.describe import CHECKOUT


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where scripts/test goes first; the list of packages is found from there."""
    monkeypatch.chdir(CHECKOUT)


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """scripts/test, once its environment is there, on a machine with nothing but ``path``."""
    code = f"import sys; from scripts import checks; checks.SYSTEM = ''; {arguments = }\n"
    code += "sys.exit(checks.main(list(arguments)))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
    )


def test_missing_programs_are_one_message_before_anything_runs(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    needed = list(checks.requirements([]))
    assert needed
    for one in needed:
        assert f"  {one.program} " in done.stderr
    assert "chromedriver  for tests/system/browser\n" in done.stderr
    assert f"apt-get install {' '.join(one.package for one in needed)}\n" in done.stderr


def test_only_what_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "chromium").symlink_to("/bin/true")
    said = run(tmp_path).stderr
    assert "  chromium " not in said
    assert "chromedriver" in said


def test_tests_that_need_nothing_run_without(tmp_path: Path) -> None:
    done = run(tmp_path, "tests/unit/test_values.py", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert " passed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "programs"),
    [
        (["tests/system/browser"], {"chromium", "chromedriver", "openssl"}),
        (["tests/integration/bench/test_load.py::test_x", "-x"], {"openssl", "wrk"}),
        (["tests/unit/test_settings.py", "tests/unit/benchmark.py"], set()),
    ],
)
def test_the_tests_chosen_decide_what_is_needed(arguments: list[str], programs: set[str]) -> None:
    assert {needed.program for needed in checks.requirements(arguments)} == programs


def test_options_alone_choose_every_test() -> None:
    assert list(checks.requirements(["-k", "ports"])) == list(checks.requirements([]))
    assert list(checks.requirements(["tests"])) == list(checks.requirements([]))


def test_the_list_names_tests_that_exist() -> None:
    named = {tests for needed in checks.requirements([]) for tests in needed.tests}
    assert all((CHECKOUT / tests).exists() for tests in named)
