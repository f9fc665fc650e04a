"""What the agent costs a request, in CPU time of the instance: with it and without, in turns.

    .venv/bin/python -m tests.system.cost [CHECKOUT]

Two instances of one site serve the same light page to one client, round by round; the
second one's pipeline leaves the agent out, or has that of another checkout. CPU time is
what the kernel charged the process, so a busy machine disturbs it less than the clock. It
prints the median of the rounds' ratios and their quartiles.
"""

from __future__ import annotations

import statistics
import sys

import psutil

from scripts.bootstrap import say
from tests.support import cpu, ledger
from tests.support.harness import Site
from zopestack.buildout.parts import AGENT
from zopestack.features.address import Address

ROUNDS = 15
REQUESTS = 1500


def cpu_of(process: psutil.Process, address: Address) -> float:
    """Milliseconds of CPU a request took, over one round."""
    # As HAProxy sends it: otherwise the agent asks the database server first.
    own = {"Zopestack-Reader": "1"}
    return cpu.of_a_request(
        lambda: cpu.used([process]), address, "/ledger/light", REQUESTS, headers=own
    )


def main() -> None:
    """Measure and print."""
    with Site(ledger.SECTIONS, instances=2) as site:
        site.start()
        ledger.create(site, visitors=1)
        # HAProxy's checks are left out as well: they would ask only one of the two.
        site.supervisorctl("stop", "haproxy", check=True)
        part = site.stack.parts / "instance2"
        if other := sys.argv[1:]:
            interpreter = part / "bin" / "interpreter"
            imported = f"sys.path[0:0] = [\n  '{other[0]}/src',"
            interpreter.write_text(
                interpreter.read_text().replace("sys.path[0:0] = [", imported, 1)
            )
        else:
            wsgi = part / "etc" / "wsgi.ini"
            wsgi.write_text(wsgi.read_text().replace(f"    {AGENT}\n", ""))
        site.supervisorctl("restart", "instance2", check=True)
        with_agent, without = both = site.stack.instances
        pids = site.pids()
        one_process, other_process = (psutil.Process(pids[each.name]) for each in both)
        second = f"with that of {other[0]}" if other else "without"
        ratios, figures = [], []
        for number in range(ROUNDS + 1):
            one = cpu_of(one_process, with_agent.address)
            two = cpu_of(other_process, without.address)
            if number:  # the first round only warms up
                say(f"round {number}: {one:.3f} ms with the agent, {two:.3f} ms {second}")
                ratios.append(one / two)
                figures.append(two)
        private = [each.memory_full_info().uss / 2**20 for each in (one_process, other_process)]
    print(
        f"CPU a request, with the agent over {second}: {cpu.spread(ratios)}, "
        f"a page of {statistics.median(figures):.2f} ms; "
        f"private memory {private[0]:.1f} MB over {private[1]:.1f} MB"
    )


if __name__ == "__main__":
    main()
