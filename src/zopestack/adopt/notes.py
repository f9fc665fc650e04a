"""What is said of each thing that a buildout had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from zopestack.adopt.original import Place


class Fate(Enum):
    """What becomes of a section, an option or a line; the value is the heading of a report."""

    BECOMES = "Becomes part of the stack"
    STAYS = "Stays as it is"
    GOES = "Goes"
    MISSING = "Has no equivalent, and needs you"


@dataclass(frozen=True)
class Note:
    """One sentence of the report.

    :param what: more than its place says, such as a line of its value.
    :param why: empty where there is nothing to say.
    """

    fate: Fate
    place: Place
    why: str = ""
    what: str = ""


def report(notes: Iterable[Note]) -> Iterator[str]:
    """The report, line by line: what there is to do comes last, next to the prompt."""
    notes = list(notes)
    for fate in Fate:
        grouped: dict[str, list[str]] = {}
        for note in notes:
            if note.fate is fate:
                why = note.why.removeprefix("delete this line: ")
                why = why.replace("change [stack]", "follows from [stack]")
                what = f"{note.place}: {note.what}" if note.what else str(note.place)
                grouped.setdefault(why, []).append(what)
        if not grouped:
            continue
        yield from ("", fate.value)
        for why, whats in grouped.items():
            yield from (f"  {what}" for what in dict.fromkeys(whats))
            if why:
                yield f"      {why}."
