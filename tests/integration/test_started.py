"""A test that fails ends the processes that it has started."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.support.started import Started

#: Waits for what never comes, and is not told that nobody listens any more.
WAITS = [sys.executable, "-c", "import signal; signal.pause()"]


def test_where_a_block_fails_its_process_is_killed() -> None:
    with pytest.raises(AssertionError, match="of the test"), Started(WAITS) as process:
        raise AssertionError("of the test")
    assert process.returncode == -signal.SIGKILL


def test_where_it_does_not_fail_its_process_ends_by_itself() -> None:
    with Started([sys.executable, "-c", "raise SystemExit(7)"]) as process:
        pass
    assert process.returncode == 7
