"""What a user is told of a wrong value: one form for all of them."""

from __future__ import annotations

from zc.buildout import UserError

#: Characters of a wrong value that an error message shows.
SHOWN = 80


def error(section: str, option: str, value: str, remedy: object) -> UserError:
    """The one form of every complaint about a value."""
    return UserError(f"{setting(section, option, value)}\n  is not accepted; it takes {remedy}.")


def setting(section: str, option: str, value: str) -> str:
    """An option as the user wrote it, on one line."""
    shown = value if value.isprintable() else repr(value)
    return f"[{section}] {option} = {shown[:SHOWN]}{'...' if len(shown) > SHOWN else ''}"
