"""What the kernel has counted since the machine started."""

from __future__ import annotations

import re
from pathlib import Path

#: What the kernel calls the interrupts by which one core makes another one look for a thread to
#: run (Linux's ``arch/x86/kernel/irq.c``; on ARM they have no such line).
RESCHEDULING = re.compile(r"^\s*RES:((?:\s+\d+)+)", re.MULTILINE)

SWITCHES = re.compile(r"^ctxt (\d+)", re.MULTILINE)


def rescheduling_interrupts(proc: Path = Path("/proc")) -> int | None:
    """How many there have been since the machine started; None where the kernel does not say."""
    found = RESCHEDULING.search((proc / "interrupts").read_text("utf-8"))
    return sum(map(int, found[1].split())) if found else None


def context_switches(proc: Path = Path("/proc")) -> int:
    """How many there have been since the machine started (proc(5), ``/proc/stat``)."""
    found = SWITCHES.search((proc / "stat").read_text("utf-8"))
    return int(found[1]) if found else 0
