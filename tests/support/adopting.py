"""Buildouts for tests of bin/adopt: those of ``tests/support/adopted``, and of a few lines."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from zopestack.adopt.adopted import Adopted
from zopestack.adopt.notes import Fate
from zopestack.adopt.original import Original

PLACE = Path(__file__).parent / "adopted"

NAMES = sorted(path.name for path in PLACE.iterdir() if path.is_dir())

#: The recipe of an instance, and sections of one and of its database server.
RECIPE = "recipe = plone.recipe.zope2instance\n"
INSTANCE = f"[instance]\n{RECIPE}"
ZEO = "[zeoserver]\nrecipe = plone.recipe.zeoserver\n"


def adopt(home: Path, text: str) -> Adopted:
    """What a buildout of this text becomes."""
    (home / "buildout.cfg").write_text(text, encoding="utf-8")
    return Adopted(Original(home / "buildout.cfg"))


@cache
def example(name: str) -> Adopted:
    """What one of the examples becomes."""
    return Adopted(Original(PLACE / name / "buildout.cfg"))


def notes(found: Adopted, fate: Fate) -> dict[str, str]:
    """What is said, by the section and the option that it is said of."""
    return {
        " ".join(f"{note.place.section} {note.place.option} {note.what}".split()): note.why
        for note in found.notes
        if note.fate is fate
    }


def stack(found: Adopted) -> dict[str, str]:
    """The options of [stack], each on one line."""
    return {name: " ".join(text.split()) for name, text in found.sections["stack"].items()}
