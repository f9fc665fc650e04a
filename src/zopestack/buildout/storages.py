"""What the storage of the main database asks of an instance's part, and what packs it."""

from __future__ import annotations

from collections.abc import Mapping

from zopestack.buildout import clients
from zopestack.model import Stack

Section = Mapping[str, str]

#: The part that makes what packs databases: bin/pack, and bin/zeopack in place of the one of
#: plone.recipe.zeoserver; or the programs of RelStorage.
PACK = "stack-pack"

#: The part of bin/copy-storage.
COPY = "stack-copy"

#: The distribution of the objects that mount databases.
MOUNTS = "Products.ZODBMountPoint"

#: The distribution of RelStorage; it asks for no driver.
RELSTORAGE = "RelStorage"

#: The option of plone.recipe.zope2instance for what stands around the storage, and what stands for
#: the storage in it, or for nothing in place of it.
WRAPPER = "storage-wrapper"
STORAGE, NOTHING = "%s", "%.0s"


def eggs(stack: Stack) -> list[str]:
    """What every instance imports for its databases."""
    mounts = [MOUNTS] if stack.databases.databases else []
    return [*mounts, RELSTORAGE] if stack.relstorages else mounts


def main(stack: Stack, own: Section) -> dict[str, str]:
    """Options of plone.recipe.zope2instance for the main database.

    :param own: those of the user.
    """
    if stack.relstorages:
        # Nothing of a storage that the recipe would describe, and open or make directories for.
        included = f"%%include {stack.database_conf}\n{NOTHING}"
        options = {"zeo-client": "off", "file-storage": "", "blob-storage": ""}
        return options | {WRAPPER: own.get(WRAPPER, STORAGE).replace(STORAGE, included)}
    options = {
        "zeo-client": "on",
        "zeo-address": str(stack.storage.zeo_address),
        "shared-blob": "on" if stack.storage.shares_blobs else "off",
        "blob-storage": str(stack.blobs_or_cache),
    }
    storage = STORAGE
    if stack.storage.ssl:
        storage = "\n".join([*clients.section(stack, clients.main(stack, own), own), NOTHING])
    if not stack.storage.serves:
        storage = set_up_once(stack, storage, stack.zope.user)
    if storage == STORAGE:
        return options
    storage = storage.replace("%import", "%%import")
    return options | {WRAPPER: own.get(WRAPPER, STORAGE).replace(STORAGE, storage)}


def set_up_once(stack: Stack, storage: str, user: str = "") -> str:
    """Lines of zope.conf for a storage that is set up by whoever opens it first.

    :param storage: its own lines.
    :param user: the initial administrator; without one, the database is one that is mounted.
    """
    lines = ["%import zopestack.initial", "<set-up-once>"]
    lines += [f"  user {user}"] if user else []
    lines += [f"  password-file {stack.password_file}", f"  lock {stack.initial_lock}"]
    return "\n".join([*lines, storage, "</set-up-once>"])


def pack(instance: Section) -> dict[str, dict[str, str]]:
    """The part that makes what packs and converts a database of RelStorage.

    :param instance: the options of an instance's part, which has the eggs.
    """
    recipe = {"recipe": "zc.recipe.egg:scripts", "scripts": "zodbpack\nzodbconvert"}
    return {PACK: {**recipe, "eggs": instance["eggs"]}}


def copy(stack: Stack, instance: Section, relational: bool) -> dict[str, dict[str, str]]:
    """The part that makes ``bin/copy-storage``.

    :param instance: the options of an instance's part, which has the eggs.
    :param relational: whether it may have to read from a relational database.
    """
    eggs = [instance["eggs"], "ZEO", *([RELSTORAGE] if relational else [])]
    return {
        COPY: {
            "recipe": "zc.recipe.egg:scripts",
            "eggs": "\n".join(eggs),
            "entry-points": "copy-storage=zopestack.supervisor.copy_storage:main",
            "scripts": "copy-storage",
            "arguments": repr(str(stack.stack_file)),
        }
    }
