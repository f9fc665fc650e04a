"""A site with a ledger in its database: pages that are slow, broken, or write records."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.harness import Site

CODE = Path(__file__).parent / "ledger_site"

#: Makes the ledger's class importable in every instance.
SECTIONS = f"[instance]\nextra-paths = {CODE}\n"


def create(site: Site, visitors: int) -> None:
    """Put the ledger into the database of a running site, with a book for each visitor."""
    site.run("bin/instance1", "run", CODE / "create_ledger.py", str(visitors))


def attached(site: Site) -> dict[str, set[int]]:
    """For each visitor, the numbers whose blob is there and has its text."""
    said = site.run("bin/instance1", "run", CODE / "read_attached.py").stdout
    line = next(line for line in said.splitlines() if line.startswith("ATTACHED "))
    return {
        visitor: set(numbers)
        for visitor, numbers in json.loads(line.removeprefix("ATTACHED ")).items()
    }


def read(site: Site) -> dict[str, dict[int, int]]:
    """For each visitor, how often each number was applied."""
    said = site.run("bin/instance1", "run", CODE / "read_ledger.py").stdout
    line = next(line for line in said.splitlines() if line.startswith("LEDGER "))
    books = json.loads(line.removeprefix("LEDGER "))
    return {
        visitor: {int(number): times for number, times in book.items()}
        for visitor, book in books.items()
    }
