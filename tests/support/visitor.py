"""Visitors who ask all the time, and remember whatever was no good answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.client import HTTPException
from typing import Self

from tests.support.fetch import fetch
from zopestack.features.address import Address

#: Seconds between an answer and the next request: few enough for dozens of requests in any restart,
#: and the machine has other work.
PAUSE = 0.04


class Visitors:
    """A few of them, each with a connection of its own for every request.

    :param headers: that they send beside the usual ones.
    :ivar failures: what they got instead of 200.
    :ivar served: how many good answers they got.
    """

    def __init__(
        self,
        address: Address,
        number: int = 2,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.address = address
        self.headers = headers
        self.path = path
        self.failures: list[str] = []
        self.served = 0
        self._leave = threading.Event()
        self._threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(number)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        for thread in self._threads:
            thread.join()

    def _visit(self) -> None:
        while not self._leave.wait(PAUSE):
            try:
                status = fetch(self.address, self.path, headers=self.headers).status
            except (OSError, HTTPException) as why:
                self.failures.append(repr(why))
                continue
            if status == 200:
                self.served += 1
            else:
                self.failures.append(str(status))
