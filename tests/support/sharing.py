"""The loaders of a site whose instances share memory."""

from __future__ import annotations

from tests.support.harness import Site
from zopestack.features.memory import LOADERS


def giving(site: Site) -> str:
    """The name of the loader that gives forks."""
    return site.stack.forks_socket.readlink().stem


def loaders(site: Site) -> dict[str, int]:
    """The process of each loader that runs."""
    pids = site.pids()
    return {name: pids[name] for name in LOADERS if pids.get(name)}
