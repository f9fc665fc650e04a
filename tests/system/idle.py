"""What a stack costs that nobody visits, in CPU time.

    .venv/bin/python -m tests.system.idle [SECONDS]

A site of 2x1 is asked nothing. Printed is the percentage of one core that each of its programs
takes, over 60 seconds, or as many as are given.
"""

from __future__ import annotations

import sys
import time

import psutil

from tests.support.harness import Site
from zopestack.columns import columns
from zopestack.features.timings import Timings
from zopestack_bench import proc

SECONDS = 60.0


def used(site: Site) -> dict[str, float]:
    """Seconds of CPU so far, of each program that runs and of supervisord."""
    pids = {name: pid for name, pid in site.pids().items() if pid}
    families = {name: proc.family(pid) for name, pid in pids.items()}
    supervisord = psutil.Process(pids["zeo"]).ppid()
    return {
        name: proc.usage(each).cpu
        for name, each in {"supervisord": (supervisord,), **families}.items()
    }


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if sys.argv[1:] else SECONDS
    with Site(instances=2, threads=1) as site:
        site.start()
        # What has just started is not idle, nor what has just been asked.
        time.sleep(2 * Timings().quiet)
        before = used(site)
        time.sleep(seconds)
        shares = {name: 100 * (now - before[name]) / seconds for name, now in used(site).items()}
    shares["together"] = sum(shares.values())
    rows = [(name, f"{share:.2f}%") for name, share in shares.items()]
    print(*columns(rows, numbers=(1,)), sep="\n")


if __name__ == "__main__":
    main()
