"""What it costs a request to see inside a stack, in CPU time of all of it.

    .venv/bin/python -m tests.system.inside [ROUNDS]

Two sites of two instances serve the same light page to one client in turns. One has all that can be
switched on: ``metrics-address``, scraped every 15 s, and the looks of its status page, and JSON
logs. CPU time is that of all programs of a site. It prints the median of the rounds' ratios and
their quartiles. What an instance counts in any case is measured by ``tests.system.cost``.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from scripts.bootstrap import say
from tests.support import cpu, figures, ledger
from tests.support.harness import Site
from zopestack.features.address import Address

ROUNDS = 15
REQUESTS = 2000

#: Seconds between two scrapes; Prometheus' own default is 60.
SCRAPE_INTERVAL = 15


@contextmanager
def scraped(address: Address) -> Iterator[None]:
    """Ask for the figures of all again and again meanwhile."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(SCRAPE_INTERVAL):
            figures.text(address)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Measure and print."""
    rounds = int((*sys.argv[1:], ROUNDS)[0])
    with Site(ledger.SECTIONS, instances=2) as plain, Site(ledger.SECTIONS, instances=2) as watched:
        address = Address("127.0.0.1", watched.ports.spare)
        watched.configure(ledger.SECTIONS, metrics_address=str(address), log_format="json")
        for site in (plain, watched):
            site.start()
            ledger.create(site, visitors=1)
        figures.listening(address)
        both = [
            partial(
                cpu.of_a_request,
                partial(cpu.used, site.processes()),
                site.stack.balancer.local_address,
                "/ledger/light",
                REQUESTS,
            )
            for site in (plain, watched)
        ]
        ratios, without = [], []
        with scraped(address):
            for number in range(rounds + 1):
                one, two = (measure() for measure in both)
                if number:  # the first round only warms up
                    say(f"round {number}: {one:.3f} ms without, {two:.3f} ms with all of it")
                    ratios.append(two / one)
                    without.append(one)
    print(f"CPU a request, with all of it over without: {cpu.spread(ratios)}")
    print(f"Without: {cpu.spread(without, ' ms')}")


if __name__ == "__main__":
    main()
