"""Visitors who write records with blobs, one after the other, and remember what was confirmed."""

from __future__ import annotations

import threading

from tests.support.harness import Site
from tests.support.polling import until
from tests.support.visitor import PAUSE

#: Visitors at once.
WRITERS = 2


class Writers:
    """They write for as long as a ``with`` block lasts, into a ledger that has been created.

    :param offset: the number before the first one that they write.
    """

    def __init__(self, site: Site, offset: int = 0) -> None:
        self.site = site
        self.offset = offset
        self.leave = threading.Event()
        self.confirmed: dict[str, list[int]] = {str(number): [] for number in range(WRITERS)}
        self.threads = [
            threading.Thread(target=self._write, args=(visitor,), daemon=True)
            for visitor in self.confirmed
        ]

    def __enter__(self) -> Writers:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave.set()
        for thread in self.threads:
            thread.join()

    def so_far(self) -> dict[str, set[int]]:
        """What was confirmed to each visitor until now."""
        return {visitor: set(numbers) for visitor, numbers in self.confirmed.items()}

    def wait_more(self, count: int = 5) -> None:
        """Wait until each visitor has written more."""
        before = {visitor: len(numbers) for visitor, numbers in self.confirmed.items()}
        until(
            "visitors to write",
            self.so_far,
            lambda now: all(len(now[each]) >= before[each] + count for each in now),
        )

    def _write(self, visitor: str) -> None:
        number = self.offset
        while not self.leave.wait(PAUSE):
            number += 1
            fields = {"visitor": visitor, "number": str(number)}
            if self.site.post("/ledger/attach", fields).text == f"recorded {number}":
                self.confirmed[visitor].append(number)
