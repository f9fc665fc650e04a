"""A Zope object that writes numbered records, for the tests of a running site.

Each visitor has a tree of its own, so that visitors do not conflict, and each number
counts how often it was applied, so that a request that was sent twice shows.
"""

from __future__ import annotations

import transaction
from AccessControl import ClassSecurityInfo
from AccessControl.class_init import InitializeClass
from BTrees.IOBTree import IOBTree
from BTrees.OOBTree import OOBTree
from OFS.SimpleItem import SimpleItem
from ZODB.blob import Blob


class Ledger(SimpleItem):
    """``/ledger``: records what it is told and answers small pages."""

    security = ClassSecurityInfo()
    id = "ledger"

    def __init__(self, visitors: int) -> None:
        self.books = OOBTree()
        self.attached = OOBTree()
        for visitor in range(visitors):
            self.books[str(visitor)] = IOBTree()
            self.attached[str(visitor)] = IOBTree()

    @security.public
    def page(self) -> str:
        """A page that takes a few milliseconds of CPU."""
        return "".join(f"<li>{number * number}</li>" for number in range(3000))

    @security.public
    def light(self) -> str:
        """A page that costs next to nothing beside the publishing of it."""
        return "light"

    @security.public
    def record(self, visitor: str, number: str) -> str:
        """Write a numbered record; the answer acknowledges it."""
        book = self.books[visitor]
        book[int(number)] = book.get(int(number), 0) + 1
        return f"recorded {number}"

    @security.public
    def overtaken(self, visitor: str, number: str) -> str:
        """Write a record that another transaction has written meanwhile: at the first try."""
        if not self.REQUEST.retry_count:
            other = self._p_jar.db().open(transaction.TransactionManager())
            other.root()["Application"].ledger.record(visitor, number)
            other.transaction_manager.commit()
            other.close()
        return self.record(visitor, number)

    @security.public
    def attach(self, visitor: str, number: str) -> str:
        """Write a numbered record with a blob, which has the number as its text."""
        self.attached[visitor][int(number)] = Blob(number.encode())
        return self.record(visitor, number)

    @security.public
    def slow(self, seconds: str = "1") -> str:
        """Keep the thread busy for a while; the answer is its name."""
        import threading
        import time

        time.sleep(float(seconds))
        return threading.current_thread().name

    @security.public
    def held(self, until: str) -> str:
        """Keep the thread, in one call that nothing interrupts, until somebody opens this pipe to
        write, or has deleted it; the answer is the thread's name."""
        import threading
        from contextlib import suppress

        with suppress(FileNotFoundError):
            open(until).close()
        return threading.current_thread().name

    @security.public
    def burn(self, until: str) -> None:
        """Compute until a file is there."""
        from pathlib import Path

        while not Path(until).exists():
            sum(range(1000))

    @security.public
    def endless(self, visitor: str, number: str) -> None:
        """Write a record and go on for ever."""
        self.record(visitor, number)
        while True:
            pass

    @security.public
    def large(self) -> str:
        """An answer that is longer in the sending than in the making."""
        return "x" * 12_000_000

    @security.public
    def broken(self) -> str:
        """Fail."""
        raise RuntimeError("broken on purpose")


InitializeClass(Ledger)
