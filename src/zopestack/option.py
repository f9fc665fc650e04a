"""What an option of [stack] is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One option of [stack].

    :param parse: from its text to its value; a ValueError says what would be accepted.
    :param default: text used where the section does not set it.
    :param help: one sentence for the table in README.rst.
    """

    name: str
    parse: Callable[[str], Any]
    default: str
    help: str
