"""Checks of the versions that run: of Python, of what is installed, and of what the index has.

What can be known without a network is whether instances run what is installed, and whether Python
gets fixes. Whether a pin is stale only an index knows, which is asked on request. It says which
releases there are, and not which of them mend a hole; and a mended hole may be in another branch.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from packaging.utils import canonicalize_name
from packaging.version import Version

from zopestack.supervisor.doctor.finding import Finding, Severity, check
from zopestack.supervisor.doctor.look import Look
from zopestack.supervisor.stopped import Stopped

#: Python 3.N has its first release in October of this year plus N, and gets fixes for so many years
#: (PEP 602, "Annual Release Cycle").
YEAR, YEARS = 2011, 5

#: Time before the last fixes of a Python in which to plan for another one.
AHEAD = timedelta(days=180)

#: pip only looks, and runs no code of what it finds: no ``setup.py``.
LOOK = (
    *("install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:"),
    *("--quiet", "--no-input", "--disable-pip-version-check", "--retries", "1", "--report", "-"),
)

#: How pip says that the index has no release that fits.
UNKNOWN = re.compile(r"No matching distribution found for ([^\s=]+)")

#: How it says that there is no index to ask, before it says the same.
SILENT = "after connection broken by"

#: Seconds for all of pip's looks.
TIMEOUT = 600


@check
def python(look: Look) -> Iterator[Finding]:
    """A Python that gets no fixes any more, or soon will not."""
    major, minor = look.python
    end = date(YEAR + minor + YEARS, 10, 31)
    if end - AHEAD < look.today:
        over = end < look.today
        yield Finding(
            Severity.WARNING if over else Severity.ADVICE,
            f"Python {major}.{minor} {'has got' if over else 'gets'} its last fixes in "
            f"October {end.year}",
            "a newer Python, with which to run scripts/up or bin/buildout again",
        )


@check
def installed(look: Look) -> Iterator[Finding]:
    """Instances that run since before their packages were changed."""
    for name, process in look.processes.items():
        # Written by bin/buildout where it changes; it names the place of every package.
        script = look.stack.parts / name / "bin" / "interpreter"
        if not process.pid or not script.exists():
            continue
        changed = script.stat().st_mtime
        if process.started < changed:
            yield Finding(
                Severity.WARNING,
                f"{name} was started before bin/buildout changed its packages on "
                f"{datetime.fromtimestamp(changed):%Y-%m-%d %H:%M}, and runs those of before",
                f"bin/supervisorctl update, or roll {name}",
            )


def releases(look: Look) -> Iterator[Finding]:
    """Packages of which the index has a newer release of the same branch: equal first two numbers.

    :raises Stopped: where the index cannot be asked.
    """
    versions = look.distributions
    newest = _newest(versions)
    newer = [
        f"{name} {version} ({newest[name]})"
        for name, version in sorted(versions.items())
        if name in newest and Version(newest[name]) > Version(version)
    ]
    unknown = sorted(versions.keys() - newest.keys())
    asked = f"{len(versions)} packages"
    if unknown:
        asked += f" ({len(unknown)} of which the index has no release: {', '.join(unknown)})"
    if newer:
        yield Finding(
            Severity.ADVICE,
            f"{len(newer)} of {asked} have a newer release of the same branch: {', '.join(newer)}",
            "the newer version in versions.cfg, then bin/buildout and bin/supervisorctl update",
        )


def _newest(versions: Mapping[str, str]) -> dict[str, str]:
    """By package, the last release of its branch, as far as the index has one."""
    wanted = {name: f"{name}=={_branch(version)}.*" for name, version in versions.items()}
    while wanted:
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write("\n".join(wanted.values()))
            file.flush()
            command = [sys.executable, "-m", "pip", *LOOK, "-r", file.name]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, check=False, timeout=TIMEOUT
                )
            except subprocess.TimeoutExpired:
                raise Stopped(f"the index has not answered within {TIMEOUT} s") from None
        if not done.returncode:
            found = (each["metadata"] for each in json.loads(done.stdout)["install"])
            return {canonicalize_name(each["name"]): each["version"] for each in found}
        # pip names one at a time.
        missing = UNKNOWN.search(done.stderr)
        name = canonicalize_name(missing[1]) if missing else ""
        if name not in wanted or SILENT in done.stderr:
            said = done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"]
            raise Stopped(f"the index of packages cannot be asked: {said[0]}")
        del wanted[name]
    return {}


def _branch(version: str) -> str:
    """The first two numbers of a version, or the one that it has."""
    found = Version(version)
    epoch = f"{found.epoch}!" if found.epoch else ""
    return epoch + ".".join(map(str, found.release[:2]))
