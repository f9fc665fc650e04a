"""A site whose databases move: from ZEO to PostgreSQL, to SQLite, and back to ZEO."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import ledger
from tests.support.harness import Site
from tests.support.polling import until
from tests.support.postgres import PASSWORD, Postgres
from tests.support.writers import WRITERS, Writers
from zopestack.supervisor import daemon

SECTIONS = f"{ledger.SECTIONS}eggs =\n    Zope\n    psycopg2-binary\n"

POSTGRES = """
[relstorage]
dbname = main
user = zope
host = {host}
password = {password}

[relstorage-intranet]
dbname = intranet
"""

SQLITE = "\n[relstorage]\ntype = sqlite3\n"

FILL = """
import transaction
from ledgerproduct import Ledger
app.intranet._setObject("ledger", Ledger(1))
transaction.commit()
"""

READ = """
from json import dumps
books = app.intranet.ledger
texts = {number: blob.open().read().decode() for number, blob in books.attached["0"].items()}
print("INTRANET", dumps([dict(books.books["0"]), texts]))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    running = Postgres()
    for name in ("main", "intranet"):
        running.create(name)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def site(server: Postgres) -> Iterator[Site]:
    options = {"databases": "\n    intranet = /intranet"}
    with Site(SECTIONS, instances=1, **options) as running:
        running.start()
        ledger.create(running, WRITERS)
        running.run_in_zope(FILL)
        yield running


class Book:
    """What visitors have written, and a number of records in the other database."""

    def __init__(self) -> None:
        self.confirmed: dict[str, set[int]] = {str(number): set() for number in range(WRITERS)}
        self.intranet = 0

    def write(self, site: Site) -> None:
        """Have visitors write for a while, each number once more than those before."""
        offset = max(max(numbers, default=0) for numbers in self.confirmed.values())
        with Writers(site, offset) as writers:
            writers.wait_more()
            self.intranet += 1
            fields = {"visitor": "0", "number": str(self.intranet)}
            assert site.post("/intranet/ledger/attach", fields).status == 200
        for visitor, numbers in writers.so_far().items():
            self.confirmed[visitor] |= numbers

    def check(self, site: Site) -> None:
        """Every record is there, once, with its blob."""
        assert ledger.attached(site) == self.confirmed
        assert ledger.read(site) == {
            visitor: dict.fromkeys(numbers, 1) for visitor, numbers in self.confirmed.items()
        }
        numbers = [str(number + 1) for number in range(self.intranet)]
        line = next(x for x in site.run_in_zope(READ).splitlines() if x.startswith("INTRANET "))
        expected = [dict.fromkeys(numbers, 1), {number: number for number in numbers}]
        assert line == f"INTRANET {expected}".replace("'", '"')
        assert site.get("/ledger/light").status == 200


@pytest.fixture(scope="module")
def book() -> Book:
    return Book()


def stop(site: Site) -> None:
    site.supervisorctl("shutdown", check=True)
    until("the end", lambda: daemon.pid(site.stack.supervisor_socket), lambda pid: pid is None)


def move(site: Site, sections: str, *arguments: str, **options: str) -> str:
    """As docs/howto/storage.rst says; what bin/copy-storage says."""
    site.configure(f"{SECTIONS}{sections}", **options)
    said = site.buildout().stdout
    assert "bin/copy-storage copies it" in said
    assert "ecret" not in said
    stop(site)
    told = site.run("bin/copy-storage", *arguments).stdout
    assert "ecret" not in told
    site.launch(site.patience)
    return told


def test_zeo_to_postgresql(site: Site, server: Postgres, book: Book) -> None:
    book.write(site)
    sections = POSTGRES.format(host=server.home, password=PASSWORD)
    move(site, sections, storage="relstorage")
    assert "zeo" not in site.pids()
    book.check(site)


def test_a_running_stack_is_not_copied(site: Site, book: Book) -> None:
    done = site.run("bin/copy-storage", "--from", "1", "--clear", check=False)
    assert done.returncode == 1
    assert "the stack runs (supervisord, pid " in done.stdout
    book.check(site)


def test_postgresql_to_sqlite(site: Site, book: Book) -> None:
    book.write(site)
    move(site, SQLITE, storage="relstorage")
    book.check(site)


def test_sqlite_to_zeo(site: Site, book: Book) -> None:
    """The egg of RelStorage is there as long as it may be needed."""
    book.write(site)
    told = move(site, "", "--clear", storage="zeo")
    assert "Data.fs.before-copy-" in told
    assert site.states()["zeo"] == "RUNNING"
    book.check(site)
    book.write(site)
    book.check(site)
