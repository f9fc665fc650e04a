"""Where each database of a stack is, so that it can be copied when it is to be elsewhere.

Whoever copies opens a file that ZEO of the stack serves itself, since the stack is stopped then.
"""

from __future__ import annotations

from collections.abc import Mapping

from zopestack.buildout import clients
from zopestack.features.databases import MAIN
from zopestack.model import Stack
from zopestack.paths import FileStorage
from zopestack.render.files import Described


def databases(stack: Stack, own: Mapping[str, str]) -> tuple[Described, ...]:
    """Every database of the stack, the main one first.

    :param own: the options of an instance's part.
    """
    if stack.relstorages:
        return tuple(Described(each.name, each.place, (), each) for each in stack.relstorages)
    if stack.storage.serves:
        return tuple(map(_served, stack.filestorages))
    others = (
        clients.Client(each.name, each.name, stack.blobs_of(each))
        for each in stack.databases.databases
    )
    elsewhere = {MAIN: clients.main(stack, own)} | {each.name: each for each in others}
    return tuple(_elsewhere(stack, name, client) for name, client in elsewhere.items())


def _served(file: FileStorage) -> Described:
    lines = ("<filestorage>", f"  path {file.path}", f"  blob-dir {file.blobs}", "</filestorage>")
    return Described(file.name, f"file {file.path}", lines)


def _elsewhere(stack: Stack, name: str, client: clients.Client) -> Described:
    place = f"ZEO {stack.storage.zeo_address} storage {client.storage}"
    # What the user says of an instance's caches is not for whoever copies.
    return Described(name, place, tuple(clients.section(stack, client, {})))
