"""What a user is told of a wrong value: one form for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zc.buildout import UserError

#: Characters of a wrong value that an error message shows.
SHOWN = 80


@dataclass(frozen=True)
class Place:
    """Where an option is written: a section, and a file other than the buildout's own if any."""

    section: str
    file: str = ""


#: By section and option, where it is written; those left out are written in that section.
Places = Mapping[tuple[str, str], Place]


def error(place: Place | str, option: str, value: str, expected: object) -> UserError:
    """The error for a value: where, what was given, what is expected."""
    return UserError(f"{setting(place, option, value)}\n  is not accepted: expected {expected}.")


def setting(place: Place | str, option: str, value: str) -> str:
    """An option as the user wrote it, on one line.

    :param place: where it is written; a section alone is one of the buildout's own file.
    """
    where = place if isinstance(place, Place) else Place(place)
    shown = value if value.isprintable() else repr(value)
    if option.endswith("password"):
        shown = "..."
    file = f" ({where.file})" if where.file else ""
    cut = "..." if len(shown) > SHOWN else ""
    return f"[{where.section}] {option} = {shown[:SHOWN]}{cut}{file}"
