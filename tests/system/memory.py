"""What instances cost in memory that share one Zope, against instances that are alone.

    .venv/bin/python -m tests.system.memory [--plone] [--python PROGRAM] [--requests N] [COUNT ...]
    .venv/bin/python -m tests.system.memory --in-turn [--plone] [--python PROGRAM] [--requests N]

For each number of instances, a site with ``share-memory`` on and one with it off serve the same
requests, one after the other. Each instance gets as many: pages as a visitor, as a manager, with
forms to edit, and over the REST API, and every fiftieth saves something. Printed is the PSS of
everything but HAProxy and supervisord, which are the same in both: ZEO, the loader, the instances
and what stands for them. PSS divides a page that several processes have among them, so the sum
counts each once. Beside it, the CPU of these programs for a request, how slow the first requests
to a new instance are, and how long a roll, a restart and a start take. ``--in-turn`` compares CPU
and time of requests to one instance of each site, request by request.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support import ledger
from tests.support.checkout import PATIENCE, Checkout
from tests.support.harness import Site, until
from tests.support.plone import JSON, create
from tests.support.sharing import change_code
from tests.system.test_plone import EDITING, VISITING
from zopestack.columns import columns
from zopestack.features.memory import LOADERS
from zopestack.supervisor import group
from zopestack.supervisor.health import ask
from zopestack_bench import proc
from zopestack_bench.deployment import Buildout

COUNTS = (2, 4, 8)

#: Between two requests that save something.
SAVED = 50

PAGES = ("/", "/ledger/page", "/ledger/light")

#: Documents of the Plone site.
DOCUMENTS = 200

REST = ("@navigation", "@types", "@search?fullobjects=1")


@contextmanager
def zope(count: int, shared: str, python: str) -> Iterator[Site]:
    """A Zope with a page of its own database."""
    with Site(ledger.SECTIONS, instances=count, share_memory=shared, warm_up="/") as site:
        site.start()
        ledger.create(site, visitors=1)
        yield site


@contextmanager
def plone(count: int, shared: str, python: str) -> Iterator[Site]:
    """A Plone with a site, whose pages for visitors are the warm-up."""
    warm_up = " ".join(f"/news/{page}" for page in VISITING)
    with Checkout(eggs="Plone", instances=count, requests_per_address="off") as site:
        site.script("up", "--timeout", str(int(PATIENCE)), PYTHON=python)
        create(site)
        for number in range(DOCUMENTS):
            document = {"@type": "Document", "id": f"d{number}", "title": f"Document {number}"}
            told(site, "POST", "/news", 201, **document)
            told(site, "POST", f"/news/d{number}/@workflow/publish", 200)
        site.configure(share_memory=shared, warm_up=warm_up)
        site.script("up", "--timeout", str(int(PATIENCE)), PYTHON=python)
        # What has set the site up is not like the others.
        site.supervisorctl("roll", "all", check=True)
        yield site


def told(
    site: Site, method: str, path: str, status: int, at: str = "haproxy", **content: object
) -> None:
    """One request of a manager to the REST API."""
    body = json.dumps(content)
    answer = site.request(method, path, body, JSON, at=at, login=site.admin)
    if answer.status != status:
        raise SystemExit(f"{method} {path}: {answer.status} {answer.text[:300]}")


def ask_zope(site: Site, at: str, number: int) -> int:
    """The status of one of many requests."""
    return site.get(PAGES[number % len(PAGES)], at=at, login=site.admin).status


def ask_plone(site: Site, at: str, number: int) -> int:
    """The status of one of many requests."""
    document = f"/news/d{number % DOCUMENTS}"
    if number % SAVED == 0:
        told(site, "PATCH", document, 204, at, title=f"{number}")
    kind = number % 4
    if kind == 0:
        page = EDITING[number // 4 % len(EDITING)]
        return site.get(f"/news/{page}", at=at, login=site.admin).status
    if kind == 1:
        page = f"{document}/{REST[number // 4 % len(REST)]}"
        return site.request("GET", page, headers=JSON, at=at, login=site.admin).status
    page = document if kind == 2 else f"/news/{VISITING[number // 4 % len(VISITING)]}"
    return site.get(page, at=at).status


@dataclass(frozen=True)
class Figures:
    """What one site has shown.

    :param megabytes: PSS by program.
    :param milliseconds: CPU of all these programs for a request.
    :param first: of the first hundred requests to each instance, the 99th percentile in seconds.
    :param roll: seconds that ``roll all`` takes.
    :param deploy: the same after a change of code.
    :param restart: seconds from ``restart`` of one instance until HAProxy sends it requests again.
    :param cold: seconds from ``bin/supervisord`` until a page is served.
    """

    megabytes: dict[str, float]
    milliseconds: float
    first: float
    roll: float
    deploy: float
    restart: float
    cold: float

    @property
    def whole(self) -> float:
        """PSS of all."""
        return sum(self.megabytes.values())


def weighed(site: Site) -> dict[str, int]:
    """The programs that count, with their processes."""
    names = {"zeo", *LOADERS, *(instance.name for instance in site.stack.instances)}
    return {name: pid for name, pid in site.pids().items() if name in names and pid}


def megabytes(site: Site) -> dict[str, float]:
    """PSS of each program."""
    # The loader knows every fork; each is counted with its own client.
    return {
        name: (group.share(pid) if name in LOADERS else group.memory(pid)) / (1 << 20)
        for name, pid in weighed(site).items()
    }


def used(site: Site) -> float:
    """Seconds of CPU of the programs that count."""
    pids = {each for pid in weighed(site).values() for each in group.members(pid)}
    return proc.usage(pids).cpu


def measured(given: argparse.Namespace, count: int, shared: str) -> Figures:
    """One site after so many requests to each instance."""
    start, ask_page = (plone, ask_plone) if given.plone else (zope, ask_zope)
    with start(count, shared, given.python) as site:
        took, before = [], used(site)
        for number in range(given.requests):
            for instance in site.stack.instances:
                began = time.monotonic()
                status = ask_page(site, instance.name, number)
                took.append(time.monotonic() - began)
                if status != 200:
                    raise SystemExit(f"{instance.name} answered request {number} with {status}")
        cpu, found = used(site) - before, megabytes(site)
        return Figures(
            megabytes=found,
            milliseconds=1000 * cpu / len(took),
            first=p99(took[: 100 * count]),
            roll=timed(lambda: site.supervisorctl("roll", "all", check=True)),
            deploy=timed(lambda: deploy(site)),
            restart=timed(lambda: restart(site)),
            cold=timed(lambda: start_again(site), before=lambda: Buildout.stop(site)),
        )


def in_turn(given: argparse.Namespace) -> None:
    """Ask an instance of a site that shares and one of a site that does not, in turn; print both.

    The first hundred requests, and the others.
    """
    start, ask_page = (plone, ask_plone) if given.plone else (zope, ask_zope)
    with start(2, "on", given.python) as one, start(2, "off", given.python) as other:
        name = one.stack.instances[-1].name
        pids = {site: group.members(site.pids()[name]) for site in (one, other)}
        cpu: dict[Site, list[float]] = {one: [], other: []}
        seconds: dict[Site, list[float]] = {one: [], other: []}
        for number in range(given.requests):
            for site in (one, other) if number % 2 else (other, one):
                before, began = proc.usage(pids[site]).cpu, time.monotonic()
                ask_page(site, name, number)
                seconds[site].append(time.monotonic() - began)
                cpu[site].append(proc.usage(pids[site]).cpu - before)
    rows = [("requests", "CPU shared, ms", "alone", "ratio", "p99 shared, ms", "alone")]
    for part in (slice(100), slice(100, None)):
        if cpu[one][part]:
            this, that = (1000 * statistics.mean(cpu[site][part]) for site in (one, other))
            late = [f"{1000 * p99(seconds[site][part]):.0f}" for site in (one, other)]
            count = str(len(cpu[one][part]))
            rows.append((count, f"{this:.1f}", f"{that:.1f}", f"{this / that:.2f}", *late))
    print(*columns(rows), sep="\n")


def p99(seconds: list[float]) -> float:
    """The 99th percentile, by nearest rank."""
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1]


def timed(act: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Seconds that something takes."""
    before()
    began = time.monotonic()
    act()
    return time.monotonic() - began


def deploy(site: Site) -> None:
    """Have every instance run code that has changed."""
    if site.stack.memory.share_memory:
        change_code(site)
    site.supervisorctl("roll", "all", check=True)


def restart(site: Site) -> None:
    """Restart the last instance, and wait until HAProxy sends it requests again."""
    instance = site.stack.instances[-1]
    report = ask(instance)
    assert report

    def back() -> bool:
        now = ask(instance)
        return bool(now and now.pid != report.pid and site.servers()[instance.name].up)

    # It returns later: supervisord waits until the instance counts as started.
    command = [site.stack.bin / "supervisorctl", "restart", instance.name]
    subprocess.Popen(command, env=site.environment, stdout=subprocess.DEVNULL)
    until("it to be back", back)


def start_again(site: Site) -> None:
    """Start everything, and wait for a page."""
    site.run(site.stack.bin / "supervisord")
    until("a page", lambda: site.get("/").status == 200)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plone", action="store_true", help="Plone instead of an empty Zope")
    parser.add_argument("--python", default="", help="what runs Plone; as for scripts/up")
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("counts", nargs="*", type=int, default=COUNTS)
    parser.add_argument("--in-turn", action="store_true", help="compare request by request")
    given = parser.parse_args()
    if given.in_turn:
        in_turn(given)
        return
    for count in given.counts:
        on, off = (measured(given, count, shared) for shared in ("on", "off"))
        rows = [("", "shared", "alone", "ratio")]
        rows += [
            (what, f"{this:.1f}", f"{that:.1f}", f"{this / that:.2f}")
            for what, this, that in (
                ("PSS of all, MB", on.whole, off.whole),
                ("PSS of the last instance, MB", *(last(each, count) for each in (on, off))),
                ("CPU a request, ms", on.milliseconds, off.milliseconds),
                ("p99 of the first 100 requests, ms", 1000 * on.first, 1000 * off.first),
                ("roll all, s", on.roll, off.roll),
                ("roll all of changed code, s", on.deploy, off.deploy),
                ("restart of one, s", on.restart, off.restart),
                ("bin/supervisord to a page, s", on.cold, off.cold),
            )
        ]
        parts = ", ".join(f"{name} {size:.1f} MB" for name, size in on.megabytes.items())
        print(f"{count} instances", *columns(rows), parts, "", sep="\n", flush=True)


def last(figures: Figures, count: int) -> float:
    """PSS of the last instance."""
    return figures.megabytes[f"instance{count}"]


if __name__ == "__main__":
    main()
