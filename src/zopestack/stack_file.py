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

    :raises OSError: if it cannot be read, because bin/buildout has not run, the file is damaged, or
        another version of zopestack wrote it; the message says what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as why:
        raise OSError(f"{path} is not UTF-8: run bin/buildout") from why
    except OSError as why:
        raise type(why)(f"{path} cannot be read ({why.strerror}): run bin/buildout") from why
    if not text.strip():
        raise OSError(f"{path} is empty: run bin/buildout")
    try:
        return _converter.loads(text, Stack)
    # The converter's own errors, and those of what it calls with a value of the wrong type.
    except (BaseValidationError, ValueError, TypeError, AttributeError, KeyError) as why:
        raise OSError(
            f"{path} is damaged, or was written by another version of zopestack: run bin/buildout, "
            "then bin/supervisorctl update"
        ) from why
