"""Choose the Varnish program, and check whether it accepts its rules."""

from __future__ import annotations

import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from zopestack import system_program
from zopestack.features.varnish import OLDEST_VARNISH

#: Programs of Varnish that are needed beside it.
TOOLS = ("varnishadm", "varnishstat")

#: Timeout in seconds for one run of the program. It has a C compiler translate the rules.
TIMEOUT = 60


class Unusable(Exception):
    """There is no usable Varnish; the message says what is expected."""


def find(given: Path | None) -> Path:
    """Return the Varnish to run: the given one, else the system's.

    :param given: an absolute path, or None for the system's.
    :raises Unusable: if there is none; the message says what is expected.
    """
    wanted = f"the path of varnishd {_dotted(OLDEST_VARNISH)} or later, or auto"
    program = given or system_program.find("varnishd")
    if program is None:
        raise Unusable(f"{wanted}; none is installed. Install your system's package varnish")
    found = version(program)
    if found is None:
        raise Unusable(f"{wanted}; {program} is not varnishd")
    if found < OLDEST_VARNISH:
        raise Unusable(f"{wanted}; {program} is Varnish {_dotted(found)}")
    for tool in TOOLS:
        if not beside(program, tool).is_file():
            raise Unusable(f"{wanted}; there is no {tool} with {program}")
    return program


def beside(program: Path, name: str) -> Path:
    """Another program of the same Varnish: beside it, or in the ``bin`` of its ``sbin``."""
    places = (program.with_name(name), program.parent.parent / "bin" / name)
    return next(filter(Path.is_file, places), system_program.find(name) or places[0])


@cache
def version(program: Path) -> tuple[int, ...] | None:
    """Return a program's version as numbers, or None if it is not varnishd."""
    try:
        answer = subprocess.run(
            [program, "-V"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    found = re.match(r"varnishd \(varnish-(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(number) for number in found.groups(default="0")) if found else None


def refusal(program: Path, rules: Path) -> str:
    """What Varnish says against a file of rules (``varnishd -C``); empty where it accepts them."""
    with tempfile.TemporaryDirectory(prefix="zopestack-") as directory:
        done = subprocess.run(
            [program, "-C", "-j", "none", "-n", directory, "-f", rules],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    return (done.stderr.strip() or f"exit status {done.returncode}") if done.returncode else ""


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
