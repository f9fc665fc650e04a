"""scripts/matrix: the fast checks with every supported Python and HAProxy of this machine.

scripts/matrix                      python3.11 to python3.14, and the HAProxies scripts/test knows
scripts/matrix --haproxy PATH ...   these HAProxies as well
scripts/matrix -- tests/unit        what follows goes to scripts/test in place of --fast

Each Python gets a copy of the checkout with an environment of its own. A version that is not
installed is "not run", never silently left out.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PYTHONS = ("3.11", "3.12", "3.13", "3.14")

#: Series with long-term support that README.rst claims.
SERIES = ("2.6", "2.8", "3.0", "3.2")

#: Asks the product, in an environment made by scripts/test, for the HAProxies of this machine.
INSTALLED = "from zopestack.haproxy import program; print(*program.installed(), sep='\\n')"


def main(arguments: list[str]) -> int:
    """Run every cell of the matrix; 1 where one failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/matrix",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--haproxy", type=Path, nargs="+", default=[], metavar="PATH")
    parser.add_argument("tests", nargs="*", help="arguments of scripts/test (default --fast)")
    options = parser.parse_args(arguments)
    given = [path.absolute() for path in options.haproxy]
    results: dict[tuple[str, str], str] = {}
    for python in PYTHONS:
        program = interpreter(python)
        if program is None:
            results |= {(python, series): "not run" for series in SERIES}
            continue
        with tempfile.TemporaryDirectory(prefix="zm-") as directory:
            copy(Path(directory))
            results |= row(python, program, Path(directory), given, options.tests or ["--fast"])
    print(table(results))
    return int("failed" in results.values())


def row(
    python: str, program: str, checkout: Path, given: list[Path], tests: list[str]
) -> dict[tuple[str, str], str]:
    """What became of one Python with each HAProxy.

    :param program: the interpreter.
    :param given: HAProxies beside those that are found.
    """
    environment = {**os.environ, "PYTHON": program}
    # Makes the environment; --version runs no test.
    if subprocess.run(["scripts/test", "--version"], cwd=checkout, env=environment).returncode:
        return {(python, series): "failed" for series in SERIES}
    command = [str(checkout / ".venv/bin/python"), "-c", INSTALLED]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    result = {(python, series): "not run" for series in SERIES}
    for haproxy in [*map(Path, found), *given]:
        print(f"* Python {python}, {haproxy}", flush=True)
        done = subprocess.run(
            ["scripts/test", f"--haproxy={haproxy}", *tests], cwd=checkout, env=environment
        )
        result[python, series_of(haproxy)] = "failed" if done.returncode else "passed"
    return result


def interpreter(python: str) -> str | None:
    """The path of a Python of this series, on the PATH or one of pyenv's, or None."""
    # A shim of pyenv may have nothing behind it, so each is asked.
    code = "import sys; print(sys.executable, *sys.version_info[:2])"
    candidates = [shutil.which(f"python{python}")]
    candidates += map(str, Path.home().glob(f".pyenv/versions/{python}.*/bin/python"))
    for candidate in filter(None, candidates):
        asked = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
        path, *version = asked.stdout.split() or [""]
        if ".".join(version) == python:
            return path
    return None


def series_of(haproxy: Path) -> str:
    """Such as 2.8."""
    said = subprocess.run([haproxy, "-v"], capture_output=True, text=True, check=False).stdout
    known = re.match(r"HAProxy version (\d+\.\d+)", said)
    if known is None:
        raise SystemExit(f"--haproxy {haproxy}: expected the path of HAProxy, which says -v")
    return known[1]


def copy(directory: Path) -> None:
    """What a clone of this working tree would hold."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if Path(name).exists():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, directory / name)
    # Tests make copies of the checkout they run in, too.
    subprocess.run(["git", "init", "--quiet", directory], check=True)
    subprocess.run(["git", "-C", directory, "add", "--all"], check=True)


def table(results: dict[tuple[str, str], str]) -> str:
    """One line for each Python, one column for each HAProxy."""
    series = sorted({each for _, each in results}, key=lambda text: [*map(int, text.split("."))])
    lines = ["Python  " + "".join(f"HAProxy {each:6}" for each in series)]
    for python in PYTHONS:
        cells = (results.get((python, each), "not run") for each in series)
        lines.append(f"{python:8}" + "".join(f"{cell:14}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
