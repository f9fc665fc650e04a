"""From ``[relstorage]``, or ``rel-storage`` in ``[instance]``, to what RelStorage is told.

Their values may be secret: no message shows one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from zopestack.config.overrides import RELSTORAGE as OPTION
from zopestack.config.overrides import Section
from zopestack.features.option import Refused
from zopestack.features.relstorage import DIRECTORIES, SQLITE, TRUE, TYPE, Relstorage
from zopestack.features.storage import Kind, Storage

SECTION = "relstorage"

#: Options of [instance] for a client of ZEO.
OF_ZEO = "zeo-"


def read(
    features: Mapping[str, Any], sections: Mapping[str, Section], base: Path
) -> Relstorage | None:
    """What RelStorage is told; None where it is not in use.

    :param features: of the Stack, by its fields.
    :param base: what relative directories start from.
    :raises UserError: for options of a storage that is not in use, and where there are none of the
        one that is.
    :raises Refused: for databases beside the main one.
    """
    storage: Storage = features["storage"]
    _check_in_use(storage, sections)
    if not storage.relational:
        return None
    given = {**_lines(sections.get("instance", {}).get(OPTION, "")), **sections.get(SECTION, {})}
    if not given:
        raise UserError(
            f"[stack] storage = {storage.storage}\n  is not accepted without [{SECTION}]: expected "
            "a section with RelStorage's options, such as type = sqlite3, or type = postgresql and "
            "dsn = dbname='zope'."
        )
    for name, text in given.items():
        if not text.isprintable():
            raise UserError(f"[{SECTION}] {name}\n  is not accepted: expected one line.")
    if features["databases"].databases:
        raise Refused(
            "databases",
            f"nothing with storage = {storage.storage}, whose databases RelStorage keeps one by "
            "one: mount others with zope-conf-additional",
        )
    options = {**_defaults(given, features["directories"].var), **given}
    for name in DIRECTORIES:
        if name in options:
            options[name] = str(base / options[name])
    return Relstorage.of(options)


def _defaults(given: Section, var: Path) -> dict[str, str]:
    lite = given.get(TYPE) == SQLITE
    # Files of one machine that are backed up together. A database elsewhere has the blobs, too.
    shared = given.get("shared-blob-dir", str(lite).lower())
    blobs = "blobstorage" if shared.lower() in TRUE else "blobcache"
    found = {"shared-blob-dir": shared, "blob-dir": str(var / blobs)}
    return found | ({"data-dir": str(var / "relstorage")} if lite else {})


def _lines(text: str) -> dict[str, str]:
    """The options of ``rel-storage``: a name and a value a line."""
    pairs = (line.split(None, 1) for line in text.splitlines() if line.strip())
    return {pair[0]: pair[1].strip() if len(pair) > 1 else "" for pair in pairs}


def _check_in_use(storage: Storage, sections: Mapping[str, Section]) -> None:
    if wrong := list(_not_in_use(storage, sections)):
        raise UserError("\n".join(dict.fromkeys(wrong)))


def _not_in_use(storage: Storage, sections: Mapping[str, Section]) -> Iterator[str]:
    kind = storage.storage
    if not storage.relational:
        instead = f"set [stack] storage = {Kind.RELSTORAGE}"
        # A part of the user's own may be called that.
        if "recipe" not in sections.get(SECTION, {"recipe": ""}):
            yield (
                f"[{SECTION}]\n  has no effect with [stack] storage = {kind}; delete the section, "
                f"or {instead}."
            )
    if not storage.serves and sections.get("zeo"):
        yield (
            f"[zeo]\n  has no effect with [stack] storage = {kind}, which has no server of this "
            "stack; delete the section."
        )
    for name, section in sections.items():
        if OPTION in section and (name != "instance" or not storage.relational):
            yield (
                f"[{name}] {OPTION}\n  is not accepted: with [stack] storage = "
                f"{Kind.RELSTORAGE}, write its lines as options of a section [{SECTION}]."
            )
        for option in section if storage.relational and name != SECTION else ():
            if option.startswith(OF_ZEO):
                yield (
                    f"[{name}] {option}\n  has no effect with [stack] storage = {kind}; delete "
                    f"this line, or write what RelStorage has for it into [{SECTION}]."
                )
