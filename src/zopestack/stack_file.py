"""The Stack as a file; the recipe writes it and every operator command reads it."""

from __future__ import annotations

from pathlib import Path

from cattrs import BaseValidationError
from cattrs.preconf.json import make_converter

from zopestack.model import Stack

_converter = make_converter()


def dumps(stack: Stack) -> str:
    """Return the Stack as JSON text."""
    return _converter.dumps(stack, indent=1) + "\n"


def load(path: Path) -> Stack:
    """Read the Stack that :func:`dumps` wrote to ``path``.

    :raises OSError: if the file does not exist, because bin/buildout has not run, or if another
        version of zopestack wrote it.
    """
    text = path.read_text(encoding="utf-8")
    try:
        return _converter.loads(text, Stack)
    except (BaseValidationError, ValueError) as why:
        raise OSError(
            f"{path} was written by another version of zopestack: run bin/buildout, "
            "then bin/supervisorctl update"
        ) from why
