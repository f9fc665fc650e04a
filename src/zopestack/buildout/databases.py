"""The databases beside the main one, in what the parts of ZEO and of the instances are made with.

The recipes have options for the main database only. What a user sets for it there holds for each
of the others, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from zopestack.buildout import clients
from zopestack.buildout.storages import PACK, set_up_once
from zopestack.features.databases import Database
from zopestack.model import Stack

Section = Mapping[str, str]

#: Options of plone.recipe.zope2instance for the cache of the objects, and their names in zope.conf.
OF_DATABASE = {"zodb-cache-size": "cache-size", "zodb-cache-size-bytes": "cache-size-bytes"}

#: Options of plone.recipe.zeoserver for how a storage is packed, under their names in zeo.conf.
OF_STORAGE = ("pack-gc", "pack-keep-old")


def zeo_conf(stack: Stack, own: Section) -> Iterator[str]:
    """Lines of zeo.conf.

    :param own: the options of the part.
    """
    for each in stack.databases.databases:
        yield f"<filestorage {each.name}>"
        yield f"  path {stack.database_of(each)}"
        yield f"  blob-dir {stack.blobs_of(each)}"
        yield from (f"  {name} {own[name]}" for name in OF_STORAGE if own.get(name))
        yield "</filestorage>"


def zope_conf(stack: Stack, own: Section) -> Iterator[str]:
    """Lines of an instance's zope.conf.

    :param own: the options of its part.
    """
    given = {**clients.DEFAULTS, **{name: text for name, text in own.items() if text}}
    for each in stack.databases.databases:
        yield f"<zodb_db {each.name}>"
        yield from (f"  {name} {given[x]}" for x, name in OF_DATABASE.items() if x in given)
        yield from _storage(stack, each, own)
        yield f"  mount-point {each.mount_point}"
        yield "</zodb_db>"


def _storage(stack: Stack, database: Database, own: Section) -> Iterator[str]:
    if stack.relstorages:
        yield f"  %include {stack.database_conf_of(database.name)}"
        return
    of = clients.Client(database.name, database.name, stack.blobs_of(database))
    client = "\n".join(clients.section(stack, of, own))
    # ZEO of this stack starts with databases that are set up.
    yield from (client if stack.storage.serves else set_up_once(stack, client)).splitlines()


def pack(stack: Stack, zeo: Section) -> dict[str, dict[str, str]]:
    """The part that makes ``bin/pack``, and ``bin/zeopack`` in place of the recipe's.

    :param zeo: the options of ZEO's part; one with a ``zeopack`` of the user's keeps it.
    """
    scripts = ["pack"]
    if "zeopack" not in zeo:
        scripts.append(zeo.get("zeopack-script-name", "zeopack"))
    given = str(stack.stack_file), zeo.get("storage-number", "1"), zeo.get("pack-days", "1")
    return {
        PACK: {
            "recipe": "zc.recipe.egg:scripts",
            "eggs": f"zopestack\n{zeo['eggs']}",
            "entry-points": "\n".join(f"{each}=zopestack.supervisor.pack:main" for each in scripts),
            "scripts": "\n".join(scripts),
            "arguments": ", ".join(map(repr, given)),
        }
    }
