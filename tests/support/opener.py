"""A process of its own that opens a storage which is set up by whoever opens it first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from zopestack.buildout.connection import SCHEMA

#: Opens the storage when it is told to, and says how many transactions there are.
OPENER = f"""
import sys
from io import StringIO
import ZConfig
schema = ZConfig.loadSchemaFile(StringIO({SCHEMA!r}))
section, _ = ZConfig.loadConfig(schema, sys.argv[1])
print("ready", flush=True)
input()
storage = section.storage.open()
print([each.description.decode() for each in storage.iterator()])
storage.close()
"""

#: What the first transaction says of itself.
FIRST = "['zopestack: the initial database']\n"


def opener(path: Path, before: str = "") -> subprocess.Popen[str]:
    """One that has started, or is about to.

    :param path: a file with the section of the storage.
    :param before: a program that runs first.
    """
    return subprocess.Popen(
        [sys.executable, "-c", before + OPENER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    """What an opener says when it is told to open."""
    return process.communicate("\n")[0]
