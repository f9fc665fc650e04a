"""What writers in conflict cost: with Zope's wait before a retry, and with the agent's.

    .venv/bin/python -m tests.system.conflicts [ROUNDS [PAUSE]]

Writers change one object, each in a transaction of 30 ms CPU, with PAUSE seconds (0) before it;
readers ask for a small page beside them. All come through HAProxy. Each layout is measured round by
round with both waits. Times are milliseconds; a save that fails is answered 500.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.support.farm import PRODUCT
from tests.support.fetch import fetch
from tests.support.harness import Site
from zopestack.features.address import Address

#: Instances and threads of each.
LAYOUTS = ((2, 1), (2, 2), (1, 4))

WAITS = ("zope", "agent")

ROUNDS, SECONDS = 5, 10.0
WRITERS, READERS = 4, 2

SAVE, READ = "/tally?seconds=0.03", "/sized?bytes=1000"

SECTIONS = f"""
[instance]
extra-paths = {PRODUCT}
threads = %d
zcml-additional =
    <configure xmlns="http://namespaces.zope.org/zope">
      <include package="frontend_pages" />
    </configure>
"""


@dataclass
class Visits:
    """What visitors of one kind were answered.

    :ivar times: milliseconds of each answer 200.
    """

    method: str
    path: str
    pause: float
    statuses: Counter[int] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)

    def go(self, address: Address, over: threading.Event) -> None:
        """Visit on until it is over."""
        connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
        while not over.wait(self.pause):
            began = time.monotonic()
            connection.request(self.method, self.path)
            answer = connection.getresponse()
            answer.read()
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.times.append((time.monotonic() - began) * 1000)
        connection.close()

    def __str__(self) -> str:
        cuts = statistics.quantiles(self.times, n=100)
        failed = sum(self.statuses.values()) - self.statuses[200]
        return f"{len(self.times)}, {failed} failed, p50 {cuts[49]:.0f}, p99 {cuts[98]:.0f}"


def round_of(site: Site, saves: Visits, reads: Visits) -> None:
    """Writers and readers at once, for some time."""
    over = threading.Event()
    address = site.address("haproxy")
    threads = [
        threading.Thread(target=visits.go, args=(address, over))
        for visits in (*[saves] * WRITERS, *[reads] * READERS)
    ]
    for thread in threads:
        thread.start()
    over.wait(SECONDS)
    over.set()
    for thread in threads:
        thread.join()


def measure(instances: int, threads: int, rounds: int, pause: float) -> None:
    """Measure one layout and print it."""
    with Site(SECTIONS % threads, instances=instances) as site:
        site.start()
        seen = {wait: (Visits("POST", SAVE, pause), Visits("GET", READ, 0.01)) for wait in WAITS}
        for _ in range(rounds):
            for wait, (saves, reads) in seen.items():
                for instance in site.stack.instances:
                    fetch(instance.address, f"/retries?as={wait}")
                round_of(site, saves, reads)
        for wait, (saves, reads) in seen.items():
            rate = len(saves.times) / rounds / SECONDS
            print(
                f"{instances}x{threads} {wait}: {rate:.1f} saves/s; saves {saves}; reads {reads}",
                flush=True,
            )


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0
    for instances, threads in LAYOUTS:
        measure(instances, threads, rounds, pause)


if __name__ == "__main__":
    main()
