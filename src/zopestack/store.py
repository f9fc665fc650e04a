"""The Stack as a file, written by the recipe and read by every operator command."""

from __future__ import annotations

from pathlib import Path

from cattrs.preconf.json import make_converter

from zopestack.model import Stack

_converter = make_converter()


def dumps(stack: Stack) -> str:
    """The Stack as JSON text."""
    return _converter.dumps(stack, indent=1) + "\n"


def load(path: Path) -> Stack:
    """The Stack that :func:`dumps` wrote to ``path``.

    :raises OSError: where there is no such file: no buildout has run.
    """
    return _converter.loads(path.read_text(encoding="utf-8"), Stack)
