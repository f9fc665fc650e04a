"""A unit test starts no process; what needs one belongs to tests/integration.

Nor does it need a program that PyPI does not have.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.features.varnish import OLDEST_VARNISH
from zopestack.varnish.program import TOOLS

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


@pytest.fixture(scope="session")
def varnish(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what reading a [stack] asks for its version, or looks for."""
    directory = tmp_path_factory.mktemp("varnish")
    number = ".".join(map(str, OLDEST_VARNISH))
    for name in ("varnishd", *TOOLS):
        describe.program(directory / name, f"varnishd (varnish-{number} revision 0)")
    return directory


@pytest.fixture(autouse=True)
def _any_machine(varnish: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this machine has Varnish makes no difference."""
    monkeypatch.setenv("PATH", f"{varnish}:{os.environ['PATH']}")


@pytest.fixture(autouse=True)
def _no_process() -> Iterator[None]:
    global _watching
    _watching = True
    yield
    _watching = False
