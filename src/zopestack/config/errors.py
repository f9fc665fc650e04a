"""What a user is told of a wrong value: one form for all of them."""

from __future__ import annotations

from zc.buildout import UserError

#: Characters of a wrong value that an error message shows.
SHOWN = 80


def error(section: str, option: str, value: str, expected: object) -> UserError:
    """The error for a value: where, what was given, what is expected."""
    return UserError(f"{setting(section, option, value)}\n  is not accepted: expected {expected}.")


def setting(section: str, option: str, value: str) -> str:
    """An option as the user wrote it, on one line."""
    shown = value if value.isprintable() else repr(value)
    return f"[{section}] {option} = {shown[:SHOWN]}{'...' if len(shown) > SHOWN else ''}"
