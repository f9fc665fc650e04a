"""How fast 2x1 serves while two slow readers hold both slots.

    .venv/bin/python -m tests.system.held_slots [SECONDS [HAPROXY]]

Eight clients ask for a light page three times, and then for one that takes 20 ms, so that all of
their requests get slots that are lent. Printed are requests/s, their times, and how many waited in
HAProxy's queue for more than 100 ms.
"""

from __future__ import annotations

import http.client
import re
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles

from tests.integration.frontend.test_slots import slow_reader
from tests.support.door import Door
from tests.support.farm import Farm

CLIENTS = 8

PAGES = ("/", "/", "/", "/sized?bytes=100&seconds=0.02")

#: Seconds between two pieces that a reader takes.
PIECE = 0.15


def ask(door: Door, end: float, times: list[float]) -> None:
    """Be one client."""
    address = door.stack.balancer.local_address
    client = http.client.HTTPConnection(address.host, address.port, timeout=60)
    number = 0
    while time.monotonic() < end:
        began = time.perf_counter()
        client.request("GET", PAGES[number % len(PAGES)])
        client.getresponse().read()
        times.append(1000 * (time.perf_counter() - began))
        number += 1
    client.close()


def main(seconds: str = "8", haproxy: str = "") -> None:
    """Measure and print."""
    options = {"haproxy": Path(haproxy)} if haproxy else {}
    times: list[float] = []
    with Farm() as farm, ExitStack() as held:
        farm.start()
        made = farm.door(instances=2, requests_per_address="off", **options)
        door = held.enter_context(made)
        readers = [held.enter_context(slow_reader(door)) for _ in range(2)]
        end = time.monotonic() + float(seconds)
        clients = [threading.Thread(target=ask, args=(door, end, times)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        while time.monotonic() < end:
            for reader in readers:
                reader.recv(1000)
            time.sleep(PIECE)
        for client in clients:
            client.join()
        waited = [int(queue) for queue in re.findall(r" queue=(\d+) ", door.log.read_text())]
    cut = quantiles(times, n=100)
    rate, late = len(times) / float(seconds), sum(each > 100 for each in waited)
    print(
        f"{rate:.0f} requests/s, p50 {cut[49]:.0f} ms, p99 {cut[98]:.0f} ms; "
        f"in the queue for more than 100 ms: {late} of {len(waited)}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
