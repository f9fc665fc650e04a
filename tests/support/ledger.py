"""A site with a ledger in its database: pages that are slow, broken, or write records."""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path
from typing import Self

from tests.support.harness import Site

CODE = Path(__file__).parent / "ledger_site"

#: Makes the ledger's class importable in every instance.
SECTIONS = f"[instance]\nextra-paths = {CODE}\n"


#: Of the pipes of all gates.
NUMBERS = count()


class Gate:
    """A page that keeps its thread until the test has seen what it waits for, and no longer.

        gate = Gate(site)
        with in_background(lambda: site.get(gate.page)) as answer, gate:
            until("a busy thread", ...)
        assert answer[0].status == 200

    :ivar page: its path; any number of requests may be in it.
    :ivar pipe: what ``/ledger/held`` takes as ``until``, for a form.
    """

    def __init__(self, site: Site) -> None:
        self.pipe = site.directory / f"gate{next(NUMBERS)}"
        os.mkfifo(self.pipe)
        self.page = f"/ledger/held?until={self.pipe}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Have all requests answered, those that arrive later as well."""
        # With both ends the pipe can be opened at once (fifo(7)), and whoever waits for it goes on.
        opened = os.open(self.pipe, os.O_RDWR)
        self.pipe.unlink()
        os.close(opened)


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
