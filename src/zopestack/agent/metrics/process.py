"""What an instance takes from the machine, and what Python itself takes from an instance."""

from __future__ import annotations

import gc
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.process_collector import ProcessCollector

from zopestack.figure import Figure, Values

PSS = Figure(
    "memory_pss_bytes",
    "gauge",
    "Memory of the process; of what it shares with others, its share (proc(5), Pss).",
)
PRIVATE = Figure("memory_private_bytes", "gauge", "Memory that the process shares with no other.")
SWITCHES = Figure(
    "context_switches",
    "counter",
    "How often a thread gave up its core: voluntary, to wait for something; involuntary, because "
    "another one had to run.",
    ("kind",),
)
COLLECTIONS = Figure(
    "gc_collections", "counter", "Collections of garbage, by their generation.", ("generation",)
)
PAUSES = Figure(
    "gc_pause_seconds",
    "counter",
    "Seconds for which the collection of garbage has stopped every thread.",
    ("generation",),
)


def standard() -> ProcessCollector:
    """prometheus_client's own figures of a process: CPU, memory, open files, start."""
    return ProcessCollector(registry=None)


def figures() -> Iterator[tuple[Figure, Values]]:
    """Memory and context switches."""
    pss, private = _memory(Path("/proc/self/smaps_rollup").read_text(encoding="ascii"))
    yield PSS, {(): pss}
    yield PRIVATE, {(): private}
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield SWITCHES, {("voluntary",): used.ru_nvcsw, ("involuntary",): used.ru_nivcsw}


def _memory(rollup: str) -> tuple[int, int]:
    """Bytes of PSS and of private memory (proc(5), ``smaps_rollup``)."""
    lines = (line.split() for line in rollup.splitlines()[1:])
    sizes = {words[0]: int(words[1]) << 10 for words in lines}
    return sizes["Pss:"], sizes["Private_Clean:"] + sizes["Private_Dirty:"]


class Collector:
    """Measures what the collection of garbage takes (``gc.callbacks``)."""

    def __init__(self) -> None:
        self._began = 0.0
        self._numbers: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self._seconds: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def start(self) -> None:
        """Measure from now on."""
        gc.callbacks.append(self.note)

    def note(self, phase: str, info: dict[str, int]) -> None:
        """Note the begin or the end of a collection; there is one at a time."""
        now = time.perf_counter()
        if phase == "start":
            self._began = now
        else:
            generation = (str(info["generation"]),)
            self._numbers[generation] += 1
            self._seconds[generation] += now - self._began

    def figures(self) -> Iterator[tuple[Figure, Values]]:
        """The collections so far."""
        yield COLLECTIONS, dict(self._numbers)
        yield PAUSES, dict(self._seconds)
