"""The storages that a stack has and had: files of ZConfig that bin/buildout makes, one a storage.

They are numbered in the order in which they came into use. Their first lines say in words where
each database is, without a secret; what follows may have passwords.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from zopestack import files
from zopestack.features.databases import MAIN

#: A line that says where a database is.
PLACE = re.compile(r"^# ([a-z][a-z0-9_-]*): (.+)$", re.MULTILINE)

#: How a file says that RelStorage opens it.
RELATIONAL = "%import relstorage\n"


@dataclass(frozen=True)
class Known:
    """A storage.

    :param places: by the name of the database, where it is.
    """

    number: int
    path: Path
    text: str

    @property
    def places(self) -> dict[str, str]:
        """Where each database is, by its name."""
        return places(self.text)


def places(text: str) -> dict[str, str]:
    """Where a description says that each database is, by its name."""
    return dict(PLACE.findall(text))


def relational(storage: Known) -> bool:
    """Whether RelStorage opens it."""
    return RELATIONAL in storage.text


def found(directory: Path) -> list[Known]:
    """Every storage, the one in use last.

    :raises OSError: where a file cannot be read.
    """
    numbered = (path for path in directory.glob("*.conf") if path.stem.isdecimal())
    known = (Known(int(path.stem), path, path.read_text("utf-8")) for path in numbered)
    return sorted(known, key=lambda each: each.number)


def note(directory: Path, text: str) -> Known | None:
    """Keep the description of the storage that is in use now.

    :returns: the storage before, where the main database has just got another place.
    :raises OSError: where it cannot be written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = found(directory)
    here = places(text)
    if before and before[-1].places == here:
        files.write(before[-1].path, text, mode=0o600)
        return None
    number = before[-1].number + 1 if before else 1
    files.write(directory / f"{number}.conf", text, mode=0o600)
    for each in before:
        # It has come into use again.
        if each.places == here:
            each.path.unlink()
    return before[-1] if before and before[-1].places.get(MAIN) != here[MAIN] else None


def before(storages: list[Known]) -> Known | None:
    """The last storage whose main database is in another place than that of the one in use."""
    *others, now = storages
    elsewhere = [each for each in others if each.places.get(MAIN) != now.places[MAIN]]
    return elsewhere[-1] if elsewhere else None
