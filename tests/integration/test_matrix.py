"""scripts/matrix finds what there is and says what there is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import matrix


def test_an_interpreter_is_of_the_series_it_was_found_for() -> None:
    """The environment of the tests is made from one of them."""
    series = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = matrix.interpreter(series)
    assert found
    said = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    assert said.startswith(f"Python {series}.")
    assert matrix.interpreter("2.0") is None


def test_what_was_not_run_is_in_the_table() -> None:
    results = {("3.11", "2.6"): "passed", ("3.11", "2.8"): "failed", ("3.12", "2.6"): "passed"}
    assert [line.split() for line in matrix.table(results).splitlines()] == [
        ["Python", "HAProxy", "2.6", "HAProxy", "2.8"],
        ["3.11", "passed", "failed"],
        ["3.12", "passed", "not", "run"],
        ["3.13", "not", "run", "not", "run"],
        ["3.14", "not", "run", "not", "run"],
    ]


def test_a_series_is_what_the_program_says(haproxy_program: Path) -> None:
    assert matrix.series_of(haproxy_program) >= "2.6"
    with pytest.raises(SystemExit, match="expected the path of HAProxy"):
        matrix.series_of(Path(sys.executable))


def test_the_product_names_the_haproxies_of_this_machine(haproxy_program: Path) -> None:
    command = [sys.executable, "-c", matrix.INSTALLED]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert str(haproxy_program) in said.split()
