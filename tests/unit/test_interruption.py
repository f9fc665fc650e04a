from __future__ import annotations

import os
import signal

import pytest

from zopestack.supervisor.interruption import Interrupted, interruptible


class Deleted:
    """Gets a signal while it is deleted."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_python_drops_is_told_at_the_end() -> None:
    reached = False
    with pytest.raises(Interrupted), interruptible() as check:
        Deleted()
        reached = True
        check()
    assert reached


def test_who_is_not_interrupted_goes_on() -> None:
    with interruptible() as check:
        check()
