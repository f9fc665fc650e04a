"""What Varnish saves and costs a request, in CPU time of the whole stack: with it and without.

    .venv/bin/python -m tests.system.varnish [ROUNDS]

Two sites of one instance serve the same page to one client in turns: without Varnish, from Varnish,
and through it where the page may not be kept. CPU time is what the kernel charged the instance,
HAProxy and Varnish, so a busy machine disturbs it less than the clock. It prints the median of each
and its quartiles.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack

import psutil

from scripts.bootstrap import say
from tests.support import cpu
from tests.support.farm import PRODUCT
from tests.support.harness import Site
from tests.support.polling import until

ROUNDS = 10
REQUESTS = 1000

#: A page of real Zope that says whether it may be kept.
SECTIONS = f"""
[instance]
extra-paths = {PRODUCT}
zcml-additional =
    <configure xmlns="http://namespaces.zope.org/zope">
      <include package="frontend_pages" />
    </configure>
"""

KEPT, NOT_KEPT = "/cached?control=max-age=3600", "/cached?control=private"


def used(site: Site) -> float:
    """Seconds of CPU that all processes of a site have had so far."""
    names = ("instance1", "haproxy", "varnish")
    pids = site.pids()
    first = [psutil.Process(pids[name]) for name in names if name in pids]
    every = {each.pid: each for one in first for each in (one, *one.children(recursive=True))}
    return cpu.used(every.values())


def cost(site: Site, path: str) -> float:
    """Milliseconds of CPU that a request took, over one round."""
    return cpu.of_a_request(lambda: used(site), site.address("haproxy"), path, REQUESTS)


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    with ExitStack() as running:
        off, front = (
            running.enter_context(Site(SECTIONS, instances=1, varnish=kind))
            for kind in ("off", "front")
        )
        for site in (off, front):
            site.start()
        until("Varnish to answer", lambda: front.get(KEPT).headers["age"] not in (None, "0"))
        cases = {
            "without Varnish": (off, NOT_KEPT),
            "from Varnish": (front, KEPT),
            "through Varnish": (front, NOT_KEPT),
        }
        figures: dict[str, list[float]] = {name: [] for name in cases}
        for number in range(rounds + 1):
            for name, (site, path) in cases.items():
                found = cost(site, path)
                if number:  # the first round only warms up
                    say(f"round {number}: {found:.3f} ms {name}")
                    figures[name].append(found)
    for name, values in figures.items():
        print(f"{name}, CPU a request: {cpu.spread(values, ' ms')}")


if __name__ == "__main__":
    main()
