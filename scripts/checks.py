"""scripts/test: every check of the project, in the order of how fast they fail.

scripts/test                   everything
scripts/test --fast            lint, types, unit tests, `haproxy -c`, one stack: three minutes
scripts/test --haproxy PATH    the same with another HAProxy
scripts/test tests/unit -k ports     what follows goes to pytest; no linters

Tests run in several processes at once, since most of them wait.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from scripts import packages
from scripts.bootstrap import say
from zopestack import system_program

SOURCES = ("src", "tests", "scripts", "docs", "setup.py")

LINTERS = (
    ("ruff", "check", *SOURCES),
    ("ruff", "format", "--check", *SOURCES),
    ("mypy",),
    ("lint-imports", "--no-cache"),
)

#: Tests of ``--fast``: decisions, every template through ``haproxy -c``, one whole stack.
FAST = ("tests/unit", "tests/integration/test_rendering.py", "tests/system/one_site/test_site.py")

#: Whether it decides that a change lands: then nothing may be left out.
CI = os.environ.get("CI") == "true"

#: Where the environment has its commands.
TOOLS = str(Path(sys.executable).parent)

#: Processes of pytest: two per core, since tests wait a lot. Three are no faster.
PROCESSES = min(16, 2 * (os.cpu_count() or 2))


def main(arguments: list[str]) -> int:
    """Run the checks; the exit status of the first that fails, or 0."""
    options, chosen = _parser().parse_known_args(arguments)
    whole = options.fast or not chosen
    if options.fast:
        chosen = [*FAST, *chosen]
    if absent := packages.missing(chosen):
        packages.install(absent)
        absent = packages.missing(chosen)
    for linter in LINTERS if whole else ():
        say(" ".join(linter))
        if code := subprocess.run([f"{TOOLS}/{linter[0]}", *linter[1:]], check=False).returncode:
            return code
    selected = [*chosen, *_without(absent)]
    beside = ("-n", str(PROCESSES)) if whole else ()
    code = _tests([*beside, f"--haproxy={options.haproxy}", *selected])
    if absent:
        count = _count(chosen) - _count(selected)
        programs = ", ".join(needed.program for needed in absent)
        remedy = packages.command(absent)
        print(f"{count} tests were not run, for want of {programs}: {remedy}", file=sys.stderr)
        code = code or int(CI)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--fast", action="store_true", help="the checks of three minutes")
    parser.add_argument(
        "--haproxy",
        default="all" if CI else "auto",
        metavar="auto|all|PATH",
        help="the HAProxy of the run: the one `haproxy = auto` takes (default), or this program; "
        "all (default with CI=true) tests the front end with every version of this machine, "
        "stacks with auto",
    )
    return parser


def _tests(arguments: Sequence[str]) -> int:
    """Run pytest; its exit status."""
    # What a program that was killed leaves in the directory for temporary files goes with it.
    with tempfile.TemporaryDirectory(prefix="zt-") as temporary:
        say(" ".join(("pytest", *arguments)))
        # A short path: that of a unix socket is limited, and each process adds its name.
        command = [f"{TOOLS}/pytest", "--durations=10", "--basetemp", f"{temporary}/t", *arguments]
        # What is looked for in places of the system, tests start by its name.
        path = ":".join(filter(None, (os.environ.get("PATH"), system_program.PLACES)))
        environment = {**os.environ, "TMPDIR": temporary, "PATH": path}
        try:
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            _end_all(temporary)


def _end_all(temporary: str) -> None:
    """End what still runs: an interrupted run ends its processes before they can clean up.

    :param temporary: the directory for temporary files, which all have inherited.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("TMPDIR") == temporary:
                process.kill()


def _without(absent: Sequence[packages.Requirement]) -> list[str]:
    """Arguments of pytest that leave out the tests of missing programs."""
    return [f"--deselect={tests}" for needed in absent for tests in needed.tests]


def _count(selected: Sequence[str]) -> int:
    """How many tests these arguments of pytest select."""
    command = [f"{TOOLS}/pytest", "--collect-only", "-qq", *selected]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return sum(int(line.rpartition(": ")[2]) for line in listed.splitlines() if ".py: " in line)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main(sys.argv[1:]))
