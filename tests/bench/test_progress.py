"""A person sees that something happens, also where nothing is said."""

from __future__ import annotations

import pytest

from tests.stack.harness import until
from zopestack_bench import progress


def test_silence_is_filled_with_dots(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SILENCE", 0.01)
    shown = ""

    def more() -> str:
        nonlocal shown
        shown += capsys.readouterr().out
        return shown

    with progress.Progress() as said:
        said.say("building")
        until("three dots", more, lambda text: text.count(".") >= 3)
        said.say("built")
    until("the end", more, lambda text: text.endswith("\n"))
    lines = [line for line in shown.splitlines() if not line.startswith(".")]
    assert lines == ["*  0:00 building", "*  0:00 built"]
    assert "..." in shown
