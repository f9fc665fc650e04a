"""A client of ZEO in zope.conf, and what TLS adds to it and to the server.

The recipes know no TLS. ``<zeoclient>``, as plone.recipe.zope2instance writes it, has no place for
it; ``<clientstorage>``, ZEO's own section for the same client, has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zopestack.model import Stack

Section = Mapping[str, str]

#: Options of plone.recipe.zope2instance, and their names in either section.
OPTIONS = {
    "read-only": "read-only",
    "zeo-client-read-only-fallback": "read-only-fallback",
    "zeo-client-cache-size": "cache-size",
    "zeo-client-blob-cache-size": "blob-cache-size",
    "zeo-client-blob-cache-size-check": "blob-cache-size-check",
}

#: The same of ``<zeoclient>`` only; ZEO 6 ignores them.
OLD = {
    "min-disconnect-poll": "min-disconnect-poll",
    "max-disconnect-poll": "max-disconnect-poll",
    "zeo-client-drop-cache-rather-verify": "drop-cache-rather-verify",
}

#: What plone.recipe.zope2instance 9.1 sets where the user does not.
DEFAULTS = {"zodb-cache-size": "30000", "zeo-client-cache-size": "128MB"}

#: What it calls the main database, and which storage that is with ZEO.
MAIN, MAIN_STORAGE = "zeostorage", "1"

#: The variable of the environment with the directory of a client's cache, where it has one.
CACHES = "$(ZEO_TMP)"


@dataclass(frozen=True)
class Client:
    """One client.

    :param storage: what the server calls the storage.
    :param name: what the client calls it.
    :param blobs: the directory for them.
    """

    storage: str
    name: str
    blobs: Path


def main(stack: Stack, own: Section) -> Client:
    """The client of the main database.

    :param own: the options of an instance's part.
    """
    return Client(own.get("zeo-storage") or MAIN_STORAGE, MAIN, stack.blobs_or_cache)


def section(stack: Stack, client: Client, own: Section) -> Iterator[str]:
    """The lines of a client in zope.conf.

    :param own: the options of an instance's part.
    """
    tls = stack.storage.ssl_of_client
    given = {**DEFAULTS, **{name: text for name, text in own.items() if text}}
    if tls:
        yield "%import ZEO"
    yield "<clientstorage>" if tls else "<zeoclient>"
    yield f"  server {stack.storage.zeo_address}"
    yield f"  storage {client.storage}"
    yield f"  name {client.name}"
    yield f"  blob-dir {client.blobs}"
    yield f"  shared-blob-dir {'on' if stack.storage.shares_blobs else 'off'}"
    for option, name in (OPTIONS if tls else {**OPTIONS, **OLD}).items():
        if option in given:
            yield f"  {name} {given[option]}"
    if cache := given.get("zeo-client-client"):
        directory = given.get("zeo-var", CACHES)
        if tls:
            # As ZEO itself does with the two (ZEO 6, ``ClientStorage.open_cache``).
            yield f"  cache-path {directory}/{cache}-{client.storage}.zec"
        else:
            yield f"  client {cache}"
            yield f"  var {directory}"
    yield from ssl(tls)
    yield "</clientstorage>" if tls else "</zeoclient>"


def ssl(given: Section) -> Iterator[str]:
    """The section ``<ssl>``, if anything is given for it."""
    if given:
        yield "  <ssl>"
        yield from (f"    {name} {text}" for name, text in given.items())
        yield "  </ssl>"
