"""What the storages cost: ZEO, SQLite and PostgreSQL, one beside the other.

    .venv/bin/python -m tests.system.storages

Three stacks with two instances of one thread. Round by round, four clients read a page from each,
then write records. It prints the medians of the rounds: requests a second, CPU time a request of
every process of the stack, the database server's included, and memory (PSS) of all these.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil

from scripts.bootstrap import say
from tests.support import ledger
from tests.support.harness import Site
from tests.support.postgres import PASSWORD, Postgres

ROUNDS, REQUESTS, CLIENTS = 7, 200, 4

SQLITE = f"{ledger.SECTIONS}\n[relstorage]\ntype = sqlite3\n"

POSTGRES = f"""
[instance]
extra-paths = {ledger.CODE}
eggs =
    Zope
    psycopg2-binary

[relstorage]
dbname = main
user = zope
host = {{host}}
password = {PASSWORD}
"""


class Measured:
    """A stack, its processes, and those of its database server."""

    def __init__(self, site: Site, server: Postgres | None = None) -> None:
        self.site = site
        self.server = server
        site.start()
        ledger.create(site, CLIENTS)

    def processes(self) -> Iterator[psutil.Process]:
        yield from self.site.processes()
        if self.server:
            parent = psutil.Process(self.server.process.pid)
            yield from (parent, *parent.children(recursive=True))

    def spent(self) -> float:
        """CPU seconds so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def memory(self) -> float:
        """MB."""
        return sum(process.memory_full_info().pss for process in self.processes()) / 1e6

    def read(self, client: int) -> None:
        for _ in range(REQUESTS // CLIENTS):
            assert self.site.get("/ledger/page").status == 200

    def write(self, client: int) -> None:
        for number in range(REQUESTS // CLIENTS):
            fields = {"visitor": str(client), "number": str(number)}
            assert self.site.post("/ledger/record", fields).status == 200


def main() -> None:
    """Measure and print."""
    with ExitStack() as stack:
        server = Postgres()
        stack.callback(server.stop)
        server.create("main")
        kinds = {
            "ZEO": Measured(stack.enter_context(Site(ledger.SECTIONS, instances=2))),
            "SQLite": Measured(
                stack.enter_context(Site(SQLITE, instances=2, storage="relstorage"))
            ),
            "PostgreSQL": Measured(
                stack.enter_context(
                    Site(POSTGRES.format(host=server.home), instances=2, storage="relstorage")
                ),
                server,
            ),
        }
        found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for number in range(ROUNDS + 1):
            for name, kind in kinds.items():
                for what, run in (("read", kind.read), ("write", kind.write)):
                    before, began = kind.spent(), time.monotonic()
                    with ThreadPoolExecutor(CLIENTS) as clients:
                        list(clients.map(run, range(CLIENTS)))
                    if number:  # the first round only warms up
                        rate = REQUESTS / (time.monotonic() - began)
                        cpu = (kind.spent() - before) / REQUESTS
                        found[name, what].append((rate, cpu))
        for (name, what), rounds in found.items():
            rates, cpus = zip(*rounds, strict=True)
            say(
                f"{name} {what}: {statistics.median(rates):.0f}/s, "
                f"{statistics.median(cpus) * 1000:.1f} ms CPU "
                f"({min(cpus) * 1000:.1f} to {max(cpus) * 1000:.1f})"
            )
        for name, kind in kinds.items():
            say(f"{name}: {kind.memory():.0f} MB")


if __name__ == "__main__":
    main()
