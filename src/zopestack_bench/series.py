"""The graph of 2010: the kernel's counters as a time series while the layout changes.

The load goes on; only where it goes changes, as on the day one big instance was replaced.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zopestack_bench import load, proc, rounds
from zopestack_bench.record import Closed, Moment
from zopestack_bench.rounds import Track
from zopestack_bench.workloads import Workload

#: Seconds between two samples.
INTERVAL = 0.5

#: Closed-loop clients.
CLIENTS = 8


def record(
    track: Track,
    names: tuple[str, ...],
    workload: Workload,
    seconds: float,
    say: Callable[[str], None],
) -> tuple[list[Moment], dict[str, float]]:
    """Load each layout in turn for so many seconds; the moments, and the rate of each layout."""
    moments: list[Moment] = []
    rates: dict[str, float] = {}
    began = time.monotonic()
    for name in names:
        with track.running(name) as target:
            track.warm_up(name, target, workload, CLIENTS)
            before = rounds.count(target, workload)
            with _sampled(target.processes.get("zope", ())) as sampled:
                found = load.run(target.address, workload.paths, Closed(CLIENTS), seconds)
            counted = rounds.a_request(before, rounds.count(target, workload))
        rates[name] = found.rate
        waited = counted["GIL wait ms"]
        moments += [
            Moment(now - began, name, figures(waited, switches, interrupts, found.rate))
            for now, switches, interrupts in sampled
        ]
        say(f"time series: {name} for {seconds:.0f} s, {found.rate:.1f} requests/s")
    return moments, rates


def figures(
    waited: float | None, switches: float, interrupts: float | None, rate: float
) -> dict[str, float | None]:
    """What a request costs, from amounts a second and requests a second.

    :param waited: milliseconds of waiting for the GIL a request.
    """
    rate = rate or math.inf
    return {
        "GIL wait, ms": waited,
        "context switches of Zope": switches / rate,
        "rescheduling interrupts": None if interrupts is None else interrupts / rate,
    }


@contextmanager
def _sampled(pids: tuple[int, ...]) -> Iterator[list[tuple[float, float, float | None]]]:
    """While the body runs, from a thread of its own: the time, context switches of processes and
    rescheduling interrupts of the machine, both a second; None where it does not count them."""
    found: list[tuple[float, float, float | None]] = []
    stop = threading.Event()

    def sample() -> None:
        then, usage, interrupts = time.monotonic(), proc.usage(pids), proc.rescheduling()
        while not stop.wait(INTERVAL):
            now, used, after = time.monotonic(), proc.usage(pids), proc.rescheduling()
            passed, spent = now - then, used - usage
            counted = None if after is None or interrupts is None else (after - interrupts) / passed
            # A thread that has ended took its count along.
            found.append((now, max(0, spent.voluntary + spent.involuntary) / passed, counted))
            then, usage, interrupts = now, used, after

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
