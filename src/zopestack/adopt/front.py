"""Where the stack listens, and where its data is: as far as the old configuration says so."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from zopestack.adopt import recipes
from zopestack.adopt.notes import Fate, Note
from zopestack.adopt.original import Original
from zopestack.adopt.roles import Roles
from zopestack.model import OPTIONS

#: A line of HAProxy's configuration that says where it listens (its manual, "bind").
BIND = re.compile(r"^\s*bind\s+(\S+)", re.MULTILINE)

#: Where a stack has its data, below ``var``, by the option of ZEO that says it elsewhere.
DATA = {"file-storage": "filestorage/Data.fs", "blob-storage": "blobstorage"}


def options(
    original: Original, roles: Roles, gone: Collection[str], notes: list[Note]
) -> Iterator[tuple[str, str]]:
    """Options of [stack] for addresses and directories.

    :param gone: the parts that do not stay, HAProxy's among them.
    :param notes: what is to be done by hand is added.
    """
    front = _front(original, gone)
    if front:
        yield "http-address", front
    else:
        default = OPTIONS["http-address"].default
        why = f"HAProxy listens on {default}; set http-address where visitors reach the site now"
        place = original.place(roles.balanced[0], "http-address")
        notes.append(Note(Fate.MISSING, place, why))
    if port := _first_port(original, roles, front):
        yield "base-port", str(port)
    if text := original.value(roles.zeo, "zeo-address"):
        try:
            yield "zeo-address", str(OPTIONS["zeo-address"].parse(text))
        except ValueError as expected:
            why = f"ZEO listens on its default: {text} is not {expected}"
            place = original.place(roles.zeo, "zeo-address")
            notes.append(Note(Fate.MISSING, place, why))
    yield from _data(original, roles, notes)


def _front(original: Original, gone: Collection[str]) -> str:
    """Where the HAProxy listens that goes."""
    for name in gone:
        text = original.resolved(recipes.text(original, name), name)
        found = BIND.search(text)
        given = found[1] if found else original.value(name, "bind")
        try:
            OPTIONS["http-address"].parse(given)
        except ValueError:
            continue
        if recipes.balances(original, name):
            return given
    return ""


def _first_port(original: Original, roles: Roles, front: str) -> int:
    """The port of the first instance, where the others follow it and HAProxy has none of them."""
    ports = []
    for name in roles.balanced:
        port = original.value(name, "http-address").rpartition(":")[2]
        ports.append(int(port) if port.isdigit() else 0)
    taken = OPTIONS["http-address"].parse(front or OPTIONS["http-address"].default)
    in_a_row = ports == list(range(ports[0], ports[0] + len(ports)))
    return ports[0] if in_a_row and not any(each.port in ports for each in taken) else 0


def _data(original: Original, roles: Roles, notes: list[Note]) -> Iterator[tuple[str, str]]:
    """``var``; what a stack would not find there is noted."""
    default = original.directory / OPTIONS["var"].default
    users = (name for name in (roles.zeo, *roles.balanced) if original.value(name, "var"))
    given = original.value(next(users, ""), "var")
    file = original.value(roles.zeo, "file-storage")
    var = original.directory / (given or default)
    if file and not given:
        var = (original.directory / file).parent.parent
    var = Path(os.path.normpath(var))
    if var != default:
        below = var.is_relative_to(original.directory)
        yield "var", str(var.relative_to(original.directory) if below else var)
    for option, name in DATA.items():
        path = original.value(roles.zeo, option)
        if path and Path(os.path.normpath(original.directory / path)) != var / name:
            why = f"a stack has it in {var / name}: move it there, or make a symbolic link"
            notes.append(Note(Fate.MISSING, original.place(roles.zeo, option), why, path))
