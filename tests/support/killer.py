"""What kills a process at a moment of its own."""

from __future__ import annotations

#: RelStorage makes a table that is not the first one, and stores the first rows of all.
TABLES, ROWS = (
    f"relstorage.adapters.schema.AbstractSchemaInstaller.{name}"
    for name in ("_create_blob_chunk", "_init_after_create")
)

KILLER = """
import os, pkgutil, signal
owner, name = pkgutil.resolve_name({owner!r}), {name!r}
called, original = [], getattr(owner, name)
def killer(*given):
    called.append(name)
    if len(called) == {times}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*given)
setattr(owner, name, killer)
"""


def killer(path: str, times: int = 1) -> str:
    """A program that kills its process when it calls something so many times.

    :param path: the dotted name of a function or a method.
    """
    owner, _, name = path.rpartition(".")
    return KILLER.format(owner=owner, name=name, times=times)
