"""From ``[relstorage]``, or ``rel-storage`` in ``[instance]``, to what RelStorage is told.

A database beside the main one takes these, then the options of its own section,
``[relstorage-NAME]``. Their values may be secret: no message shows one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from zopestack.config.overrides import RELSTORAGE as OPTION
from zopestack.config.overrides import Section
from zopestack.features import dsn
from zopestack.features.databases import MAIN
from zopestack.features.relstorage import (
    DEFAULT,
    DIRECTORIES,
    PARTS_OF_DSN,
    SQLITE,
    TRUE,
    TYPE,
    Relstorage,
    is_generic,
)
from zopestack.features.storage import Kind, Storage

SECTION = "relstorage"

#: That of another database, too, whose name follows.
SECTIONS = re.compile(rf"{SECTION}(-.+)?")

#: Options that no two databases may have alike; the name of another one is added to the main one's.
OWN = ("blob-dir", "cache-local-dir", "cache-prefix", "data-dir", "name")

#: Options of [instance] for a client of ZEO.
OF_ZEO = "zeo-"


def section_of(name: str) -> str:
    """Where the options of a database are."""
    return SECTION if name == MAIN else f"{SECTION}-{name}"


def read(
    features: Mapping[str, Any], sections: Mapping[str, Section], base: Path
) -> tuple[Relstorage, ...]:
    """What RelStorage is told of each database, the main one first; none where it is not in use.

    :param features: of the Stack, by its fields.
    :param base: what relative directories start from.
    :raises UserError: for options of a storage that is not in use, where there are none of the
        one that is, and for two databases that are one.
    """
    storage: Storage = features["storage"]
    names = [MAIN, *(each.name for each in features["databases"].databases)]
    _check_in_use(storage, names, sections)
    if not storage.relational:
        return ()
    given = {**_lines(sections.get("instance", {}).get(OPTION, "")), **sections.get(SECTION, {})}
    if not given:
        raise UserError(
            f"[stack] storage = {storage.storage}\n  is not accepted without [{SECTION}]: expected "
            "a section with RelStorage's options, such as type = sqlite3, or type = postgresql and "
            "dsn = dbname='zope'."
        )
    found: dict[str, Relstorage] = {}
    for name in names:
        section = section_of(name)
        own = given if name == MAIN else _beside(name, given, sections.get(section, {}))
        for option, text in own.items():
            if not text.isprintable():
                raise UserError(f"[{section}] {option}\n  is not accepted: expected one line.")
        options = {**_defaults(name, own, features["directories"].var), **own}
        for option in DIRECTORIES:
            if option in options:
                options[option] = str(base / options[option])
        found[name] = Relstorage.of(name, options)
        _check_another(found[name], list(found.values())[:-1])
    return tuple(found.values())


def _beside(name: str, main: Section, own: Section) -> dict[str, str]:
    """The options of a database beside the main one, without the defaults.

    :param own: of its section.
    :raises UserError: where both do not go together.
    """
    kind = main.get(TYPE, DEFAULT)
    taken = {**main, TYPE: kind}
    if own.get(TYPE, kind) != kind:
        taken = {option: text for option, text in main.items() if is_generic(option)}
    taken = _named(name, taken)
    if "dsn" in own:
        taken = {option: text for option, text in taken.items() if option not in PARTS_OF_DSN}
    own = dict(own)
    parts = {option: own.pop(option) for option in PARTS_OF_DSN if option in own}
    if kind != DEFAULT or "dsn" not in taken or "dsn" in own:
        return {**taken, **own, **parts}
    try:
        return {**taken, **own, "dsn": dsn.extended(taken["dsn"], parts)}
    except ValueError as expected:
        places = ", ".join(parts)
        raise UserError(
            f"[{section_of(name)}] {places}\n  is not accepted beside the dsn of [{SECTION}]: "
            f"expected {expected} there, or one here."
        ) from None


def _check_another(found: Relstorage, others: Collection[Relstorage]) -> None:
    for other in others:
        if other.place == found.place:
            option = {SQLITE: "data-dir", DEFAULT: "dbname"}.get(found.kind, "db")
            raise UserError(
                f"[{section_of(found.name)}]\n  is not accepted: expected another database than "
                f"that of [{section_of(other.name)}], such as {option} = {found.name}."
            )


def _defaults(name: str, given: Section, var: Path) -> dict[str, str]:
    lite = given.get(TYPE) == SQLITE
    # Files of one machine that are backed up together. A database elsewhere has the blobs, too.
    shared = given.get("shared-blob-dir", str(lite).lower())
    blobs = "blobstorage" if shared.lower() in TRUE else "blobcache"
    found = {"shared-blob-dir": shared, "blob-dir": str(var / blobs)}
    found |= {"data-dir": str(var / "relstorage")} if lite else {}
    return found if name == MAIN else _named(name, found)


def _named(name: str, options: Section) -> dict[str, str]:
    return {each: f"{text}-{name}" if each in OWN else text for each, text in options.items()}


def _lines(text: str) -> dict[str, str]:
    """The options of ``rel-storage``: a name and a value a line."""
    pairs = (line.split(None, 1) for line in text.splitlines() if line.strip())
    return {pair[0]: pair[1].strip() if len(pair) > 1 else "" for pair in pairs}


def _check_in_use(
    storage: Storage, names: Collection[str], sections: Mapping[str, Section]
) -> None:
    if wrong := list(_not_in_use(storage, names, sections)):
        raise UserError("\n".join(dict.fromkeys(wrong)))


def _not_in_use(
    storage: Storage, names: Collection[str], sections: Mapping[str, Section]
) -> Iterator[str]:
    kind = storage.storage
    for name in sections:
        # A part of the user's own may be called that.
        if not SECTIONS.fullmatch(name) or "recipe" in sections[name]:
            continue
        if not storage.relational:
            yield (
                f"[{name}]\n  has no effect with [stack] storage = {kind}; delete the section, "
                f"or set [stack] storage = {Kind.RELSTORAGE}."
            )
        elif name not in map(section_of, names):
            other = name.removeprefix(f"{SECTION}-")
            yield (
                f"[{name}]\n  has no effect: [stack] databases has no {other}; delete the section, "
                f"or add a line such as {other} = /{other}."
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
        for option in section if storage.relational and not SECTIONS.fullmatch(name) else ():
            if option.startswith(OF_ZEO):
                yield (
                    f"[{name}] {option}\n  has no effect with [stack] storage = {kind}; delete "
                    f"this line, or write what RelStorage has for it into [{SECTION}]."
                )
