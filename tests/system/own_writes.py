"""What it costs to show clients their own writes, and how often they miss them without.

    .venv/bin/python -m tests.system.own_writes [PAIRS]

Cost: one client asks an instance for a small page, round by round as one who only reads and as one
who has written. CPU time is that of the instance and of ZEO. It prints the medians of the rounds'
ratios and their quartiles.

Stale reads: a client saves a text at one instance and reads it at the other at once, while others
read there.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import threading
import time

import psutil

from scripts.bootstrap import say
from tests.support.farm import Farm
from zopestack.features.address import Address

ROUNDS, REQUESTS = 15, 600
PAIRS, READERS = 10_000, 2

READER = {"Zopestack-Reader": "1"}


def fetch(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> str:
    """The text of a page."""
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        sys.exit(f"{path} answered {answer.status}: {text}")
    return text


def connect(address: Address) -> http.client.HTTPConnection:
    """A connection that is kept alive."""
    return http.client.HTTPConnection(address.host, address.port, timeout=60)


def cost(farm: Farm) -> None:
    """Print what a request costs that asks ZEO first."""
    pids = farm.pids()
    processes = [psutil.Process(pids[name]) for name in ("instance1", "zeo")]
    ratios: dict[str, list[float]] = {"CPU": [], "time": []}
    for number in range(ROUNDS + 1):
        spent = [
            round_of(processes, farm.stack.instances[0].address, headers)
            for headers in (READER, {})
        ]
        for name, kept in ratios.items():
            if number:  # the first round only warms up
                kept.append(spent[1][name] / spent[0][name])
        say(f"round {number}: {spent[0]} as a reader, {spent[1]} as a writer, ms a request")
    for name, kept in ratios.items():
        low, median, high = statistics.quantiles(kept, n=4)
        print(f"{name} a request, asking ZEO over not: {median:.2f} ({low:.2f} to {high:.2f})")


def round_of(
    processes: list[psutil.Process], address: Address, headers: dict[str, str]
) -> dict[str, float]:
    """Milliseconds a request took, and of CPU."""
    connection = connect(address)
    cpu, clock = cpu_of(processes), time.monotonic()
    for _ in range(REQUESTS):
        fetch(connection, "/sized?bytes=1000", headers)
    done = time.monotonic() - clock
    connection.close()
    spent = cpu_of(processes) - cpu
    return {"CPU": round(spent * 1000 / REQUESTS, 3), "time": round(done * 1000 / REQUESTS, 3)}


def cpu_of(processes: list[psutil.Process]) -> float:
    """Seconds of CPU so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def stale(farm: Farm, pairs: int, headers: dict[str, str]) -> int:
    """Pairs of a write at one instance and a read at the other that did not see it."""
    one, other = (instance.address for instance in farm.stack.instances[2:4])
    over = threading.Event()

    def read_on() -> None:
        connection = connect(other)
        while not over.is_set():
            fetch(connection, "/sized?bytes=1000", READER)

    readers = [threading.Thread(target=read_on) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        writes, reads = connect(one), connect(other)
        missed = 0
        for number in range(pairs):
            fetch(writes, f"/note?text={number}", READER)
            missed += fetch(reads, "/noted", headers) != str(number)
        return missed
    finally:
        over.set()
        for reader in readers:
            reader.join()


def main() -> None:
    """Measure and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    with Farm() as farm:
        farm.start()
        cost(farm)
        for headers, who in ((READER, "as if nobody had written"), ({}, "asking ZEO first")):
            print(f"stale reads {who}: {stale(farm, pairs, headers)} of {pairs}", flush=True)


if __name__ == "__main__":
    main()
