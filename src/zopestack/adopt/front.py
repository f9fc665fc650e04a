"""Options of [stack] that the old configuration says elsewhere than in the instances."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from zopestack.adopt import backups, mounts, programs, recipes
from zopestack.adopt.notes import Fate, Note
from zopestack.adopt.original import Original
from zopestack.adopt.roles import Roles
from zopestack.features.directories import Directories
from zopestack.features.option import Refused, defaults
from zopestack.features.storage import Storage
from zopestack.model import OPTIONS
from zopestack.paths import Paths

#: A line of HAProxy's configuration that says where it listens (its manual, "bind").
BIND = re.compile(r"^\s*bind\s+(\S+)", re.MULTILINE)


def options(
    original: Original, roles: Roles, gone: Collection[str], notes: list[Note]
) -> Iterator[tuple[str, str]]:
    """Addresses, directories, databases, and the limit of memory.

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
            address = OPTIONS["zeo-address"].parse(text)
            replace(defaults(Storage), zeo_address=address).check()
            yield "zeo-address", str(address)
        except (ValueError, Refused) as why_not:
            expected = why_not.expected if isinstance(why_not, Refused) else why_not
            why = f"ZEO listens on its default: {text} is not {expected}"
            place = original.place(roles.zeo, "zeo-address")
            notes.append(Note(Fate.MISSING, place, why))
    if limit := programs.memory_limit(original, roles.supervisor, roles.balanced):
        yield "memory-limit", limit
    yield from backups.options(original, _var(original, roles))
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
    """``var`` and ``databases``; what a stack would not find there is noted."""
    var = _var(original, roles)
    if var != original.directory / OPTIONS["var"].default:
        below = var.is_relative_to(original.directory)
        yield "var", str(var.relative_to(original.directory) if below else var)
    places = Paths()
    places.directories = replace(defaults(Directories), var=var)
    # What is adopted has a ZEO of its own.
    places.storage = defaults(Storage)
    wanted = {"file-storage": places.database, "blob-storage": places.blobs}
    for option, path in wanted.items():
        given = original.value(roles.zeo, option)
        if given and Path(os.path.normpath(original.directory / given)) != path:
            why = f"a stack has it in {path}: move it there, or make a symbolic link"
            notes.append(Note(Fate.MISSING, original.place(roles.zeo, option), why, given))
    if lines := mounts.databases(original, places, notes):
        yield "databases", lines


def _var(original: Original, roles: Roles) -> Path:
    """Where the data is, as ZEO or an instance says."""
    users = (name for name in (roles.zeo, *roles.balanced) if original.value(name, "var"))
    given = original.value(next(users, ""), "var")
    file = original.value(roles.zeo, "file-storage")
    var = original.directory / (given or OPTIONS["var"].default)
    if file and not given:
        var = (original.directory / file).parent.parent
    return Path(os.path.normpath(var))
