"""The graph of 2010: the kernel's counters as a time series while the layout changes.

The load goes on; only where it goes changes, as on the day one big instance was replaced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from zopestack_bench import load, proc
from zopestack_bench.measured import Closed
from zopestack_bench.record import Moment
from zopestack_bench.rounds import Track, warm_up
from zopestack_bench.target import Target
from zopestack_bench.workloads import Workload

#: Seconds between two samples.
INTERVAL = 0.5

#: Closed-loop clients.
CLIENTS = 8


class Sampler:
    """Samples on a thread of its own, until stopped."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self._began = time.monotonic()
        self._stop = threading.Event()

    def watch(self, name: str, target: Target, work: Callable[[], float]) -> float:
        """Sample this layout while ``work`` runs; what it returns."""
        self._stop.clear()
        thread = threading.Thread(target=self._sample, args=(name, target), daemon=True)
        thread.start()
        try:
            return work()
        finally:
            self._stop.set()
            thread.join()

    def _sample(self, name: str, target: Target) -> None:
        pids = target.processes.get("zope", ())
        then, usage, interrupts = time.monotonic(), proc.usage(pids), proc.rescheduling()
        while not self._stop.wait(INTERVAL):
            now, used, after = time.monotonic(), proc.usage(pids), proc.rescheduling()
            passed, spent = now - then, used - usage
            known = after is not None and interrupts is not None
            self.moments.append(
                Moment(
                    seconds=now - self._began,
                    layout=name,
                    rescheduling=((after or 0) - (interrupts or 0)) / passed if known else None,
                    switches=(spent.voluntary + spent.involuntary) / passed,
                    cpu=spent.cpu / passed,
                )
            )
            then, usage, interrupts = now, used, after


def record(
    track: Track,
    names: tuple[str, ...],
    workload: Workload,
    seconds: float,
    say: Callable[[str], None],
) -> tuple[list[Moment], dict[str, float]]:
    """Load each layout in turn for so many seconds; the moments, and requests/s of each."""
    sampler = Sampler()
    rates = {}
    for name in names:
        with track.running(name) as target:
            warm_up(target, workload, track.layouts[name], CLIENTS)

            def work(target: Target = target) -> float:
                return load.run(target.address, workload.paths, Closed(CLIENTS), seconds).rate

            rates[name] = sampler.watch(name, target, work)
        say(f"time series: {name} for {seconds:.0f} s, {rates[name]:.1f} requests/s")
    return sampler.moments, rates
