"""What happens to a database server that is not the stack's own: PostgreSQL, or a ZEO elsewhere."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Protocol

from tests.support.harness import Site, until
from tests.system.chaos.scenarios import Scenario
from zopestack.supervisor.health import ask

#: The site says that it cannot answer now, or that it does not know whether it has written.
AWAY = re.compile(r"GET 50[03]|POST 50[03]")

#: The site does not know whether it has written.
UNKNOWN = re.compile(r"POST 500")


class Server(Protocol):
    """A database server of a test's own."""

    def start(self) -> None:
        """Start it, and wait until it answers."""

    def kill(self) -> None:
        """End it as a crash does."""

    def end(self) -> None:
        """End it as an operator does."""


def reasons(site: Site) -> list[str]:
    """What each instance says of its health."""
    return [report.why if (report := ask(each)) else "" for each in site.stack.instances]


def serving(site: Site) -> bool:
    """Whether every instance serves, and a page comes through HAProxy."""
    return set(reasons(site)) == {"serving"} and site.get("/ledger/page").status == 200


def cut_off(found: list[str]) -> bool:
    """Whether no instance reaches its database."""
    return all(why.startswith("storage unreachable: ") for why in found)


def scenarios(
    server: Server,
    *ways: tuple[str, AbstractContextManager[object]],
    allowed: re.Pattern[str] = AWAY,
) -> list[Scenario]:
    """What can happen to a server, and in which further ways it may be away.

    :param allowed: the failures that may be.
    """
    usual = (("kill -9 the server", _killed(server)), ("stop the server", _ended(server)))
    return [
        *(Scenario(name, partial(_away, way=way), allowed) for name, way in (*usual, *ways)),
        Scenario("restart the server", partial(_restarted, server=server), allowed),
    ]


@contextmanager
def _killed(server: Server) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextmanager
def _ended(server: Server) -> Iterator[None]:
    server.end()
    yield
    server.start()


def _away(site: Site, way: AbstractContextManager[object]) -> float:
    """The server is away until every instance has noticed; the seconds from its return on."""
    before = site.pids()
    with way:
        until("the agents to notice", lambda: reasons(site), cut_off)
    return _back(site, before)


def _restarted(site: Site, server: Server) -> float:
    """The server is away for as long as it takes to start."""
    before = site.pids()
    server.end()
    server.start()
    return _back(site, before)


def _back(site: Site, before: dict[str, int]) -> float:
    began = time.monotonic()
    until("the site", lambda: serving(site))
    whole = time.monotonic() - began
    assert site.pids() == before, "instances did not stay"
    return whole
