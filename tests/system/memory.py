"""What instances cost in memory that share one Zope, against instances that are alone.

    .venv/bin/python -m tests.system.memory [--requests N] [COUNT ...]

For each number of instances, two sites one after the other, with ``share-memory`` on and off, serve
the same requests. It prints the PSS of everything but HAProxy and supervisord, which are the same
in both: ZEO, the loader, the instances and what stands for them. PSS divides a page that several
processes have among them, so the sum counts each once.
"""

from __future__ import annotations

import argparse

from tests.support import ledger
from tests.support.harness import Site
from zopestack.supervisor import group

COUNTS = (2, 4, 8)

PAGES = ("/", "/ledger/page", "/ledger/light")


def megabytes(site: Site) -> dict[str, float]:
    """PSS of each program."""
    instances = {instance.name for instance in site.stack.instances}
    # The loader knows every fork; each is counted with its own client.
    return {
        name: (group.memory(pid) if name in instances else group.share(pid)) / (1 << 20)
        for name, pid in site.pids().items()
        if name in instances | {"zeo", "loader"}
    }


def measured(count: int, shared: bool, requests: int) -> dict[str, float]:
    """The programs of one site after so many requests to each instance."""
    switch = "on" if shared else "off"
    with Site(ledger.SECTIONS, instances=count, share_memory=switch, warm_up="/") as site:
        site.start()
        ledger.create(site, visitors=1)
        for number in range(requests):
            for instance in site.stack.instances:
                page = PAGES[number % len(PAGES)]
                if site.get(page, at=instance.name, login=site.admin).status != 200:
                    raise SystemExit(f"{instance.name} did not answer {page}")
        return megabytes(site)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("counts", nargs="*", type=int, default=COUNTS)
    given = parser.parse_args()
    for count in given.counts:
        on, off = (measured(count, shared, given.requests) for shared in (True, False))
        print(
            f"{count} instances: {sum(on.values()):.0f} MB shared, {sum(off.values()):.0f} MB "
            f"alone, {sum(on.values()) / sum(off.values()):.2f}; one instance "
            f"{on[f'instance{count}']:.1f} MB and {off[f'instance{count}']:.1f} MB, "
            f"the loader {on['loader']:.1f} MB, ZEO {on['zeo']:.1f} MB"
        )


if __name__ == "__main__":
    main()
