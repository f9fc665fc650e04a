"""The option ``databases``: databases beside the main one, each mounted at a path in Zope.

intranet = /intranet
archive = /archive/old
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations

from zopestack.features.instances import NAME
from zopestack.features.option import Feature, feature, option
from zopestack.features.sites import RESERVED

ACCEPTED = "lines like intranet = /intranet"

#: The name of the main database.
MAIN = "main"

#: Names that other databases of zope.conf have.
TAKEN = (MAIN, "temporary")

#: Names of objects that Zope accepts and that a URL need not quote (Zope,
#: ``OFS.ObjectManager.checkValidId``).
MOUNT_POINT = re.compile(r"(/(?!aq_|REQUEST(/|$))[A-Za-z0-9][A-Za-z0-9.~_-]*(?<!__))+")


@dataclass(frozen=True)
class Database:
    """A database beside the main one.

    :param name: of the storage, of the database in zope.conf, and of its file.
    :param mount_point: the path in Zope where its objects are.
    """

    name: str
    mount_point: str


def _lines(text: str) -> tuple[Database, ...]:
    found = tuple(_line(line.strip()) for line in text.splitlines() if line.strip())
    for one, other in combinations(found, 2):
        if one.name == other.name:
            raise ValueError(f"{ACCEPTED}; {one.name} is given twice. Delete one")
        for inner, outer in ((other, one), (one, other)):
            if f"{inner.mount_point}/".startswith(f"{outer.mount_point}/"):
                raise ValueError(
                    f"{ACCEPTED}, none mounted in another; {inner.name} = {inner.mount_point} is "
                    f"in {outer.name} = {outer.mount_point}"
                )
    return found


def _line(line: str) -> Database:
    name, equals, mount_point = (part.strip() for part in line.partition("="))
    if not equals:
        raise ValueError(f"{ACCEPTED}; {line!r} is not one")
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{ACCEPTED}; {name!r} is no name of a file. It is lower case letters, digits and _ -, "
            "begins with a letter, and is at most 31 long"
        )
    if name in TAKEN:
        raise ValueError(f"{ACCEPTED}; {name} is the name of another database. Choose another")
    if mount_point == "/":
        raise ValueError(f"{ACCEPTED}; / is the main database. Mount {name} below it")
    if not MOUNT_POINT.fullmatch(mount_point) or RESERVED.search(mount_point):
        raise ValueError(f"{ACCEPTED}; {mount_point!r} is no path that an object of Zope can have")
    return Database(name, mount_point)


@feature
class Databases(Feature):
    """What is mounted into the main database."""

    databases: tuple[Database, ...] = option(
        _lines,
        "",
        "Databases beside the main one, each with a name and the path in Zope where it is mounted: "
        "lines such as ``intranet = /intranet``. See :doc:`/howto/mount`.",
    )

    @property
    def mount_points(self) -> tuple[str, ...]:
        """The paths in Zope."""
        return tuple(each.mount_point for each in self.databases)
