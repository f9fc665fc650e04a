"""Buildout without the time that its imports take: each run is a fork of one that has them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

#: For each line, a directory and where to write to, runs buildout there and says how it ended.
#: What a refusal has said is all on stderr and stdout; nothing but the fork is different.
SERVER = """
import os, sys
import zc.buildout.buildout
import zopestack.buildout.recipe

def buildout(directory, out, err):
    os.chdir(directory)
    for number, path in ((0, os.devnull), (1, out), (2, err)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    code = 1
    try:
        zc.buildout.buildout.main(["-U", "-o"])
        code = 0
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)

for line in sys.stdin:
    child = os.fork()
    if not child:
        buildout(*line.rstrip("\\n").split("\\0"))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Buildout:
    """``buildout -U -o``, for many directories.

    with Buildout() as buildout:
        done = buildout.run(directory)
    """

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        # It ends when there is nothing more to read.
        self._server.communicate()

    def run(self, directory: Path) -> subprocess.CompletedProcess[str]:
        """Run it in a directory, with no network and none of the user's own defaults."""
        with tempfile.TemporaryDirectory(prefix="zs-") as said:
            out, err = Path(said) / "out", Path(said) / "err"
            assert self._server.stdin
            assert self._server.stdout
            self._server.stdin.write("\0".join(map(str, (directory, out, err))) + "\n")
            self._server.stdin.flush()
            code = int(self._server.stdout.readline())
            texts = (path.read_text(encoding="utf-8") for path in (out, err))
            return subprocess.CompletedProcess([str(directory)], code, *texts)
