"""Programs of a database server's, run to their end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from gzip import GzipFile
from pathlib import Path
from typing import IO

from zopestack.backups.failed import Problem

Stream = IO[bytes] | GzipFile


def run(
    words: list[str],
    environment: Mapping[str, str] | None = None,
    source: Stream | None = None,
    target: Stream | None = None,
) -> str:
    """Run a program; return what it prints, unless that goes elsewhere.

    :param words: what everybody on the machine may read.
    :param environment: variables over those of this process.
    :param source: what it reads.
    :param target: where what it prints goes.
    :raises Problem: where it fails, with the last line that it says.
    """
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(
            words,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE if source else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=told,
        ) as process,
    ):
        try:
            printed = _feed(process, source, target)
        except BaseException:
            process.kill()
            raise
        if process.wait():
            told.seek(0)
            lines = told.read().decode(errors="replace").strip().splitlines()
            why = lines[-1] if lines else f"exit status {process.returncode}"
            raise Problem(why if words[0] in why else f"{Path(words[0]).name}: {why}")
    return printed.decode(errors="replace")


def _feed(process: subprocess.Popen[bytes], source: Stream | None, target: Stream | None) -> bytes:
    if source and process.stdin:
        # One that has ended says why.
        with suppress(BrokenPipeError):
            shutil.copyfileobj(source, process.stdin)
            process.stdin.close()
    if not process.stdout:
        return b""
    if not target:
        return process.stdout.read()
    shutil.copyfileobj(process.stdout, target)
    return b""
