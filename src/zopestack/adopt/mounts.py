"""Databases beside the main one, as collective.recipe.filestorage is told of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zopestack.adopt.notes import Fate, Note
from zopestack.adopt.original import Original
from zopestack.adopt.recipes import FILESTORAGE
from zopestack.features.databases import Database
from zopestack.paths import Paths

#: What the recipe uses where it is told nothing (its code; its README differs in one).
DEFAULTS = {
    "location": "var/filestorage/%(fs_part_name)s/%(fs_part_name)s.fs",
    "zodb-mountpoint": "/%(fs_part_name)s",
    "zodb-name": "%(fs_part_name)s",
}

#: Stands for the name of a database in each option.
NAME = "%(fs_part_name)s"


def databases(original: Original, places: Paths, notes: list[Note]) -> str:
    """The option ``databases`` of [stack]; empty where there is none.

    :param places: where a stack has its data.
    :param notes: what has to be moved is added.
    """
    lines = []
    for part in original.parts:
        if original.recipe(part) == FILESTORAGE:
            for name in original.value(part, "parts").split():
                found = Database(
                    _option(original, part, name, "zodb-name")[1],
                    _option(original, part, name, "zodb-mountpoint")[1],
                )
                lines.append(f"\n{found.name} = {found.mount_point}")
                notes.extend(_moves(original, part, name, found, places))
    return "".join(lines)


def sections(original: Original) -> Iterator[str]:
    """The sections that say something of one database."""
    for part in original.parts:
        if original.recipe(part) == FILESTORAGE:
            names = (f"filestorage_{name}" for name in original.value(part, "parts").split())
            yield from (name for name in names if name in original.names)


def _moves(
    original: Original, part: str, name: str, database: Database, places: Paths
) -> Iterator[Note]:
    wanted = {"location": places.database_of(database), "blob-storage": places.blobs_of(database)}
    for option, path in wanted.items():
        section, given = _option(original, part, name, option)
        found = Path(os.path.normpath(original.directory / given))
        if given and found != path:
            why = f"a stack has it in {path}: move it there, or make a symbolic link"
            yield Note(Fate.MISSING, original.place(section, option), why, given)


def _option(original: Original, part: str, name: str, option: str) -> tuple[str, str]:
    """The section that says something of one database, and what it says."""
    for section in (f"filestorage_{name}", part):
        if option in original.options(section):
            return section, original.value(section, option).replace(NAME, name)
    return part, DEFAULTS.get(option, "").replace(NAME, name)
