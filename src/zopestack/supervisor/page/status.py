"""What the status page shows of this moment, as values for JSON; None is what nobody knows.

Times are in seconds, sizes in bytes, those of the curves in MB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zopestack.supervisor.overview import InstanceRow
from zopestack.supervisor.page.hour import Values
from zopestack.supervisor.page.look import Seen
from zopestack.supervisor.page.rates import HALF, MOST, Rates, of_instance, of_stack, time_of

if TYPE_CHECKING:
    from zopestack.supervisor.doctor.finding import Finding

#: Requests that are listed, the oldest of all instances.
LISTED = 20

#: Seconds after which a request is listed: most pages take less, and nobody could read them.
LONG = 1.0

#: How an instance is shown.
SERVING, DRAINING, AWAY = "serving", "draining", "away"

MB = 1 << 20


def status(then: Seen, now: Seen) -> dict[str, Any]:
    """Everything that a look has found, and the rates since an earlier one."""
    autostart = {each.name: each.autostart for each in now.stack.instances}
    threads = {each.name: each.threads for each in now.stack.instances}
    instances = [
        _instance(row, threads[row.name], autostart[row.name], then, now) for row in now.rows
    ]
    return {
        "when": now.when,
        "supervised": now.supervised,
        "balanced": now.backends is not None,
        "instances": instances,
        "total": _total(then, now),
        "queued": _queued(now),
        "slowest": _slowest(now),
        "long": LONG,
    }


def sample(then: Seen, now: Seen) -> tuple[Values, dict[str, Values]]:
    """The values of the stack, and of each instance, that are drawn as curves."""
    total = _total(then, now)
    for name in ("memory", "private"):
        total[name] = _megabytes(total[name])
    return total, {
        row.name: {
            "busy": row.busy,
            "requests": of_instance(row.name, then, now).requests,
            "memory": _megabytes(row.memory),
        }
        for row in now.rows
    }


def findings(found: Iterable[Finding]) -> list[dict[str, str]]:
    """What ``doctor`` has found."""
    return [
        {"severity": each.severity.name.lower(), "evidence": each.evidence, "remedy": each.remedy}
        for each in found
    ]


def _instance(
    row: InstanceRow, threads: int, autostart: bool, then: Seen, now: Seen
) -> dict[str, Any]:
    told = now.told.get(row.name)
    kind = SERVING if row.healthy else DRAINING if told and told.draining else AWAY
    running = told.running if told else ()
    return {
        **asdict(row),
        **asdict(of_instance(row.name, then, now)),
        "kind": kind,
        "autostart": autostart,
        "threads": threads,
        # What one garbled answer says must not fill the page.
        "running": [each.seconds for each in running[:threads]],
    }


def _total(then: Seen, now: Seen) -> dict[str, float | None]:
    rates: Rates = of_stack(then, now)
    balanced = {each.name: each.threads for each in now.stack.balanced_here}
    return {
        "requests": rates.requests,
        "errors": rates.errors,
        "half": time_of(HALF, then, now),
        "most": time_of(MOST, then, now),
        "queue": None if now.backends is None else sum(_queued(now).values()),
        "busy": _sum(row.busy for row in now.rows if row.name in balanced),
        "threads": sum(balanced.values()),
        "memory": _sum(row.memory for row in now.rows),
        "private": _sum(row.private for row in now.rows),
    }


def _queued(now: Seen) -> dict[str, int]:
    """Requests that wait, by lane."""
    return {name: int(row["qcur"] or 0) for name, row in (now.backends or {}).items()}


def _slowest(now: Seen) -> list[dict[str, Any]]:
    running = [
        {"instance": name, **asdict(each)}
        for name, told in now.told.items()
        for each in told.running
        if each.seconds >= LONG
    ]
    return sorted(running, key=lambda each: -each["seconds"])[:LISTED]


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _megabytes(size: float | None) -> float | None:
    return None if size is None else size / MB
