"""``scripts/test``: every check of the project, in the order of how fast they fail.

Arguments go to pytest and then the linters are left out:

    scripts/test tests/unit/test_settings.py -k ports

Before anything else it looks for the programs of other projects that the chosen tests run.
A test is never skipped because one is missing: that would look like success.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scripts.bootstrap import say

LINTERS = (
    ("ruff", "check", "src", "tests", "scripts", "setup.py"),
    ("ruff", "format", "--check", "src", "tests", "scripts", "setup.py"),
    ("mypy",),
)

#: The programs the tests run; .ci/run installs them from the same list.
PACKAGES = Path(".ci/packages.txt")

#: Where Debian puts servers, on the PATH or not.
SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Requirement:
    """A program that tests run and that is not on PyPI.

    :param package: what Debian and Ubuntu call its package.
    :param tests: the directories of tests that need it.
    """

    package: str
    program: str
    tests: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether the program is on this machine."""
        path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM}"
        return shutil.which(self.program, path=path) is not None

    def concerns(self, chosen: Sequence[str]) -> bool:
        """Whether one of the chosen tests needs it; none chosen are all of them.

        :param chosen: files and directories as pytest takes them, ``::name`` included.
        """
        paths = [PurePosixPath(choice.partition("::")[0]) for choice in chosen]
        return not paths or any(
            path.is_relative_to(tests) or PurePosixPath(tests).is_relative_to(path)
            for path in paths
            for tests in self.tests
        )


def main(arguments: list[str]) -> int:
    """Run the checks; the exit status of the first that fails."""
    if missing := [needed for needed in requirements(arguments) if not needed.found]:
        print(complaint(missing), file=sys.stderr)
        return 1
    tools = Path(sys.executable).parent
    for linter in () if arguments else LINTERS:
        say(" ".join(linter))
        if code := subprocess.run([tools / linter[0], *linter[1:]], check=False).returncode:
            return code
    say("pytest")
    return subprocess.run([tools / "pytest", *arguments], check=False).returncode


def requirements(arguments: Sequence[str]) -> Iterator[Requirement]:
    """What the tests need that pytest is asked for."""
    chosen = [argument for argument in arguments if argument.startswith("tests")]
    for line in PACKAGES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            package, program, *tests = line.split()
            needed = Requirement(package, program, tuple(tests))
            if needed.concerns(chosen):
                yield needed


def complaint(missing: Sequence[Requirement]) -> str:
    """What to tell a person: what is missing, for which tests, and how to get it."""
    width = max(len(needed.program) for needed in missing)
    lines = [f"  {needed.program:{width}}  for {', '.join(needed.tests)}" for needed in missing]
    return "\n".join(
        (
            "These programs are missing, which tests run:",
            *lines,
            "On Debian and Ubuntu, as root:",
            f"  apt-get install {' '.join(needed.package for needed in missing)}",
            "Without them, name the tests to run: scripts/test tests/unit/test_settings.py",
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
