"""The figures of the stack and of the machine, by what a graph needs to tell apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client.metrics_core import Metric

from zopestack.figure import INSTANCE

#: Values by the text of one label.
Values = Mapping[str, float]

#: What the kernel calls the interrupts by which one core makes another one look for a thread to
#: run (Linux's ``arch/x86/kernel/irq.c``; on ARM they have no such line).
RESCHEDULING = re.compile(r"^\s*RES:((?:\s+\d+)+)", re.MULTILINE)

SWITCHES = re.compile(r"^ctxt (\d+)", re.MULTILINE)


class Figures:
    """All figures of one moment."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._samples = [sample for family in families for sample in family.samples]

    def by(self, name: str, label: str = INSTANCE, **where: str) -> Values:
        """The values of a figure, added up by one label.

        :param where: other labels that a value must have.
        """
        found: dict[str, float] = {}
        for sample in self._samples:
            labels = sample.labels
            if sample.name == name and where.items() <= labels.items() and label in labels:
                found[labels[label]] = found.get(labels[label], 0) + sample.value
        return found


def rescheduling_interrupts(proc: Path = Path("/proc")) -> int | None:
    """How many there have been since the machine started; None where the kernel does not say."""
    found = RESCHEDULING.search((proc / "interrupts").read_text("utf-8"))
    return sum(map(int, found[1].split())) if found else None


def context_switches(proc: Path = Path("/proc")) -> int:
    """How many there have been since the machine started (proc(5), ``/proc/stat``)."""
    found = SWITCHES.search((proc / "stat").read_text("utf-8"))
    return int(found[1]) if found else 0
