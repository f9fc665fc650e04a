"""The programs of other projects that tests run: which are missing, and how they get here.

.ci/packages.txt is the list. As root, or with a sudo that asks nothing, they are installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zopestack import system_program

PACKAGES = Path(".ci/packages.txt")

#: Installs its arguments. Some packages start a service when they are installed, unless
#: policy-rc.d says no (invoke-rc.d(8)); the tests start what they need themselves.
INSTALL = """
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap "rm -f $policy" EXIT
    printf '#!/bin/sh\\nexit 101\\n' > $policy
    chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
options="-q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120"
apt-get $options update
apt-get $options install --no-install-recommends "$@"
"""


@dataclass(frozen=True)
class Requirement:
    """A program that tests run and that is not on PyPI.

    :param package: what Debian and Ubuntu call its package.
    :param tests: the files and directories of tests that need it.
    """

    package: str
    program: str
    tests: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether the program is on this machine."""
        return system_program.find(self.program) is not None

    def concerns(self, chosen: Sequence[str]) -> bool:
        """Whether one of the chosen tests needs it; an empty choice means all tests.

        :param chosen: files and directories as pytest takes them, ``::name`` included.
        """
        paths = [PurePosixPath(choice.partition("::")[0]) for choice in chosen]
        return not paths or any(
            path.is_relative_to(tests) or PurePosixPath(tests).is_relative_to(path)
            for path in paths
            for tests in self.tests
        )


def requirements(chosen: Sequence[str]) -> Iterator[Requirement]:
    """What the chosen tests need.

    :param chosen: arguments for pytest; only those that name tests count.
    """
    chosen = [argument for argument in chosen if argument.startswith("tests")]
    for line in PACKAGES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            package, program, *tests = line.split()
            needed = Requirement(package, program, tuple(tests))
            if needed.concerns(chosen):
                yield needed


def missing(chosen: Sequence[str]) -> list[Requirement]:
    """What the chosen tests need and this machine does not have."""
    return [needed for needed in requirements(chosen) if not needed.found]


def install(wanted: Sequence[Requirement]) -> None:
    """Install packages where that needs no password; a failure leaves them missing."""
    if shutil.which("apt-get") and (root := _becoming_root()) is not None:
        packages = [needed.package for needed in wanted]
        subprocess.run([*root, "sh", "-c", INSTALL, "sh", *packages], check=False)


def command(wanted: Sequence[Requirement]) -> str:
    """What a person types to install them."""
    return f"apt-get install {' '.join(needed.package for needed in wanted)}"


def _becoming_root() -> list[str] | None:
    """What makes a command run as root, or None where a person would be asked."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    silent = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ["sudo", "-n"] if silent.returncode == 0 else None
