"""The loaders of a site whose instances share memory."""

from __future__ import annotations

import os

from tests.support.harness import Site
from zopestack.features.memory import LOADER, LOADERS


def giving(site: Site) -> str:
    """The name of the loader that gives forks."""
    return site.stack.forks_socket.readlink().stem


def change_code(site: Site) -> None:
    """Have a file from which the loader has loaded Zope be newer."""
    os.utime(site.stack.parts / LOADER / "etc" / "zope.conf")


def loaders(site: Site) -> dict[str, int]:
    """The process of each loader that runs."""
    pids = site.pids()
    return {name: pids[name] for name in LOADERS if pids.get(name)}
