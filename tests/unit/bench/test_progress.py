"""What a person sees on the terminal."""

from __future__ import annotations

import pytest

from tests.support.harness import until
from zopestack.columns import columns
from zopestack_bench import terminal


def test_silence_is_filled_with_dots(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "SILENCE", 0.01)
    shown = ""

    def more() -> str:
        nonlocal shown
        shown += capsys.readouterr().out
        return shown

    with terminal.Progress() as said:
        said.say("building")
        until("three dots", more, lambda text: text.count(".") >= 3)
        said.say("built")
        until("three more", more, lambda text: text.rpartition("built")[2].count(".") >= 3)
        said.show("promise")
    until("the end", more, lambda text: text.endswith("\n"))
    lines = [line for line in shown.splitlines() if not line.startswith(".")]
    assert lines == ["*  0:00 building", "*  0:00 built", "promise"]
    assert "..." in shown


def test_a_table_has_its_columns_aligned_and_no_blanks_at_the_ends() -> None:
    rows = [("layout", "requests/s", ""), ("2x1", "9.5", "in use"), ("10x1", "110.0", "")]
    assert columns(rows, numbers=(1,)) == [
        "layout  requests/s",
        "2x1            9.5  in use",
        "10x1         110.0",
    ]
