"""What a person sees on the terminal."""

from __future__ import annotations

import re

import pytest

from zopestack.columns import columns
from zopestack_bench.terminal import Progress


def test_each_line_has_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    Progress().say("building")
    assert re.fullmatch(r"\*  0:0\d building\n", capsys.readouterr().out)


def test_a_table_has_its_columns_aligned_and_no_blanks_at_the_ends() -> None:
    rows = [("layout", "requests/s", ""), ("2x1", "9.5", "in use"), ("10x1", "110.0", "")]
    assert columns(rows, numbers=(1,)) == [
        "layout  requests/s",
        "2x1            9.5  in use",
        "10x1         110.0",
    ]
