"""What each storage loses when its server is hurt: figures for docs/explanation/drain.rst.

    .venv/bin/python -m tests.system.chaos.storages

A stack with PostgreSQL, one with SQLite, and one with a ZEO elsewhere, one after the other.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from scripts.bootstrap import say
from tests.support import ledger
from tests.support.elsewhere import Elsewhere
from tests.support.harness import Site
from tests.support.postgres import Postgres
from tests.support.relay import Relay
from tests.system import storages
from tests.system.chaos import servers
from tests.system.chaos.run import PAGE, Outcome, hurt, table
from tests.system.chaos.scenarios import POST_IN_FLIGHT, Scenario, kill_instance

KILL = Scenario("kill -9 an instance", kill_instance, POST_IN_FLIGHT)


def postgresql(stack: ExitStack) -> Outcome:
    """A server that is away in every way, and others that have its connections."""
    server = Postgres()
    stack.callback(server.stop)
    server.create("main")
    sections = storages.POSTGRES.format(host=server.home)
    site = stack.enter_context(Site(sections, instances=2, storage="relstorage"))
    site.start()
    ways = [("others have its connections", server.exhausted("main"))]
    return hurt(site, [*servers.scenarios(server, *ways, allowed=servers.UNKNOWN), KILL], PAGE)


def sqlite(stack: ExitStack) -> Outcome:
    """No server: only instances can be killed."""
    site = stack.enter_context(Site(storages.SQLITE, instances=2, storage="relstorage"))
    site.start()
    return hurt(site, [KILL] * 3, PAGE)


def external(stack: ExitStack) -> Outcome:
    """A server that is away in every way, or behind a cut network."""
    site = stack.enter_context(Site(ledger.SECTIONS, instances=2, storage="external"))
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zs-")))
    server = Elsewhere(home, site.ports.zeo)
    server.start()
    stack.callback(lambda: server.kill())
    relay = Relay((server.address.host, server.address.port))
    stack.callback(relay.close)
    site.configure(site.sections, zeo_address="{}:{}".format(*relay.address))
    site.start()
    ways = [("cut the network", relay.cut())]
    return hurt(site, [*servers.scenarios(server, *ways), KILL], PAGE)


def main() -> None:
    """Hurt each and print its table."""
    for one in (postgresql, sqlite, external):
        with ExitStack() as stack:
            say(f"\n{one.__name__}\n{table(one(stack))}\n")


if __name__ == "__main__":
    main()
