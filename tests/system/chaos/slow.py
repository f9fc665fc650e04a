"""Clients that hold slots without a thread, beside the visitors who are counted."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack, suppress

from tests.support.deployment import Deployment
from tests.support.holding import BODIES, EXPECTING, Way, half_closed, request, sent

#: Answers that are longer than all that holds them on their way.
UNREAD = request("GET", "/ledger/large")

#: Every kind of holding over plain http.
WAYS = (
    *EXPECTING,
    *BODIES,
    Way("an unread answer", sent(UNREAD)),
    Way("unread answers in a row", sent(UNREAD, times=20)),
    Way("an unread answer, half closed", half_closed(UNREAD)),
)

#: Seconds for which one way is held, at most.
LONGEST = 2


class SlowClients:
    """Some of them, until the end.

    :param number: how many hold something at once.
    """

    def __init__(self, site: Deployment, number: int = 3) -> None:
        self.site = site
        self.leave = threading.Event()
        self.threads = [threading.Thread(target=self._hold, daemon=True) for _ in range(number)]

    def __enter__(self) -> SlowClients:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave.set()
        for thread in self.threads:
            thread.join()

    def _hold(self) -> None:
        while not self.leave.is_set():
            # While the balancer is killed, there is nobody to hold anything of.
            with ExitStack() as held, suppress(OSError):
                random.choice(WAYS).hold(self.site, held)
                self.leave.wait(random.uniform(0, LONGEST))
