"""A unit test starts no process; what needs one belongs to tests/integration."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

_watching = False

#: What starts a process (sys.audit, "Audit events table").
STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    # `haproxy -v` and `varnishd -V` are asked once a process, by whatever reads a [stack].
    if _watching and event in STARTS and not (len(arguments) > 1 and _asks_version(arguments[1])):
        raise AssertionError(f"a unit test starts a process: {arguments}")


def _asks_version(command: object) -> bool:
    return isinstance(command, list) and command[1:] in (["-v"], ["-V"])


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def _no_process() -> Iterator[None]:
    global _watching
    _watching = True
    yield
    _watching = False
