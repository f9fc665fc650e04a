"""``scripts/test``: every check of the project, in the order of how fast they fail.

Arguments go to pytest and then the linters are left out:

    scripts/test tests/test_settings.py -k ports
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from zopestack.bootstrap import say

LINTERS = (
    ("ruff", "check", "src", "tests", "setup.py"),
    ("ruff", "format", "--check", "src", "tests", "setup.py"),
    ("mypy",),
)


def main(arguments: list[str]) -> int:
    """Run the checks; the exit status of the first that fails."""
    tools = Path(sys.executable).parent
    for linter in () if arguments else LINTERS:
        say(" ".join(linter))
        if code := subprocess.run([tools / linter[0], *linter[1:]], check=False).returncode:
            return code
    say("pytest")
    return subprocess.run([tools / "pytest", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
