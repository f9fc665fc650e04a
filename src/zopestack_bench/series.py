"""The graph of 2010: the kernel's counters as a time series while the layout changes.

The load goes on; only where it goes changes, as on the day one big instance was replaced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zopestack_bench import load, proc, rounds
from zopestack_bench.record import Closed, Moment, Phase
from zopestack_bench.rounds import Track
from zopestack_bench.target import Target
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
) -> tuple[list[Moment], dict[str, Phase]]:
    """Load each layout in turn for so many seconds; the moments, and the phase of each layout."""
    moments: list[Moment] = []
    phases = {}
    began = time.monotonic()
    for name in names:
        with track.running(name) as target:
            track.warm_up(name, target, workload, CLIENTS)
            before = rounds.count(target, workload)
            with _sampling(moments, began, name, target):
                found = load.run(target.address, workload.paths, Closed(CLIENTS), seconds)
            counted = rounds.a_request(before, rounds.count(target, workload))
        phases[name] = Phase(found.rate, counted["GIL wait ms"])
        say(f"time series: {name} for {seconds:.0f} s, {found.rate:.1f} requests/s")
    return moments, phases


@contextmanager
def _sampling(moments: list[Moment], began: float, name: str, target: Target) -> Iterator[None]:
    """Add moments of this layout, from a thread of its own, while the body runs."""
    stop, pids = threading.Event(), target.processes.get("zope", ())

    def sample() -> None:
        then, usage, interrupts = time.monotonic(), proc.usage(pids), proc.rescheduling()
        while not stop.wait(INTERVAL):
            now, used, after = time.monotonic(), proc.usage(pids), proc.rescheduling()
            passed, spent = now - then, used - usage
            counted = None if after is None or interrupts is None else (after - interrupts) / passed
            # A thread that has ended took its count along.
            switches = max(0, spent.voluntary + spent.involuntary) / passed
            moments.append(Moment(now - began, name, counted, switches))
            then, usage, interrupts = now, used, after

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
