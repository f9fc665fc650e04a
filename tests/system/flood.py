"""What a flood of crawlers costs everybody else, with a group for crawlers and without.

    .venv/bin/python -m tests.system.flood [PAIRS [HAPROXY]]

Two stacks of three instances each: ``grouped`` has one of them for crawlers, ``plain`` has none.
Two visitors ask for pages of 20 ms, each a moment after the last one; crawlers, many times more
than there are threads, ask for pages of 200 ms as fast as they get them. Both pages wait and
compute nothing, so that what is measured is who waits for whom, not how many cores there are.

Without and with the crawlers come in turn, a few seconds each, so that what else the machine does
concerns both; so often make a pair. Printed are the medians over the pairs of the visitors' p99
without and with the flood, and of their ratio.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

from tests.support.door import Door
from tests.support.farm import Farm

VISITORS = 2
CRAWLERS = 24

#: Seconds of one turn, and how many turns of each kind make a pair.
TURN = 3.0
TURNS = 6

#: Seconds between two pages of a visitor.
PAUSE = 0.03

VISITED = "/sized?bytes=1000&seconds=0.02"
CRAWLED = "/sized?bytes=1000&seconds=0.2"

LAYOUTS = {
    "grouped": {"instances": 2, "groups": "crawlers = agent bot"},
    "plain": {"instances": 3},
}


class Client(threading.Thread):
    """Asks for one page again and again.

    :ivar times: milliseconds of each answer.
    """

    def __init__(self, door: Door, agent: str, path: str, pause: float, end: float) -> None:
        super().__init__()
        self.address = door.stack.balancer.local_address
        self.headers = {"User-Agent": agent, "Host": "localhost"}
        self.path = path
        self.pause = pause
        self.end = end
        self.times: list[float] = []

    def run(self) -> None:
        """Be this client."""
        client = http.client.HTTPConnection(self.address.host, self.address.port, timeout=60)
        while time.monotonic() < self.end:
            began = time.perf_counter()
            client.request("GET", self.path, headers=self.headers)
            answer = client.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            self.times.append(1000 * (time.perf_counter() - began))
            time.sleep(self.pause)
        client.close()


def visited(door: Door, crawlers: int) -> list[float]:
    """The times of the visitors in one turn, while so many crawlers are there."""
    end = time.monotonic() + TURN
    flood = [Client(door, "Googlebot/2.1", CRAWLED, 0, end) for _ in range(crawlers)]
    visitors = [Client(door, "Mozilla/5.0", VISITED, PAUSE, end) for _ in range(VISITORS)]
    for client in (*flood, *visitors):
        client.start()
    for client in (*flood, *visitors):
        client.join()
    return [each for visitor in visitors for each in visitor.times]


def p99(times: list[float]) -> float:
    """The 99th percentile."""
    return quantiles(times, n=100)[98]


def pair(door: Door) -> tuple[float, float]:
    """The visitors' p99 without and with the flood."""
    calm: list[float] = []
    flooded: list[float] = []
    for _ in range(TURNS):
        calm += visited(door, 0)
        flooded += visited(door, CRAWLERS)
    return p99(calm), p99(flooded)


def main(pairs: str = "5", haproxy: str = "") -> None:
    """Measure and print."""
    own = {"haproxy": Path(haproxy)} if haproxy else {}
    with Farm() as farm, ExitStack() as running:
        farm.start()
        doors = {
            name: running.enter_context(farm.door(requests_per_address="off", **own, **options))
            for name, options in LAYOUTS.items()
        }
        rounds = [{name: pair(door) for name, door in doors.items()} for _ in range(int(pairs))]
    for name in doors:
        each = [found[name] for found in rounds]
        ratios = sorted(flooded / calm for calm, flooded in each)
        calm, flooded = map(median, zip(*each, strict=True))
        print(
            f"{name}: p99 {calm:.0f} ms without the flood, {flooded:.0f} ms with it; ratio "
            f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}, {len(ratios)} pairs)"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
