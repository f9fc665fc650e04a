"""The Stack as a file, written by the recipe and read by every operator command."""

from __future__ import annotations

from pathlib import Path

from cattrs import BaseValidationError
from cattrs.preconf.json import make_converter

from zopestack.model import Stack

_converter = make_converter()


def dumps(stack: Stack) -> str:
    """The Stack as JSON text."""
    return _converter.dumps(stack, indent=1) + "\n"


def load(path: Path) -> Stack:
    """The Stack that :func:`dumps` wrote to ``path``.

    :raises OSError: where there is no such file, since no buildout has run, or where another
        version of zopestack has written it.
    """
    text = path.read_text(encoding="utf-8")
    try:
        return _converter.loads(text, Stack)
    except (BaseValidationError, ValueError) as why:
        raise OSError(
            f"{path} is of another version of zopestack: run bin/buildout, "
            "then bin/supervisorctl update"
        ) from why
