"""HAProxy and Varnish as the balancer of the same instances, with the same loads in turns.

    .venv/bin/python -m tests.system.balancers [ROUNDS]

Four sites of two instances with two threads each: HAProxy alone; ``varnish = front``; ``varnish =
balancer``; and the same without a limit for each instance and without HAProxy's queue, as Varnish's
directors are by themselves. Nothing is kept: every visitor has a login, so that ``front`` does not
see them, and shows how much two sites differ that do the same. CPU time is what the kernel charged
all processes of the site, so a busy machine disturbs it less than the clock. It prints medians and
quartiles: of HAProxy alone, and of the others divided by those of HAProxy alone in the same round.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil

from scripts.bootstrap import say
from tests.support.harness import Site
from tests.support.polling import until
from tests.system.varnish import SECTIONS
from zopestack.render.files import packaged_templates

ROUNDS = 5

#: Requests of one client to a light page.
LIGHT = 500

#: Requests of each client of the mixed load, one in FIFTH of them to a slow page.
MIXED, FIFTH = 50, 5

#: A page that does next to nothing, and one that takes its thread for a while.
FAST, SLOW = "/cached?control=private", "/sized?bytes=1000&seconds=0.2"

LOGIN = {"Cookie": "__ac=user"}

#: What makes ``balancer`` more than Varnish's directors, by template.
LIMITS = {
    "varnish-instances.vcl.j2": "    .max_connections = {{ instance.maxconn }};\n",
    "haproxy-shared.cfg.j2": " { queue(zope) eq 0 }",
}

HAPROXY = "HAProxy"


def unlimited(directory: Path) -> Path:
    """Templates without these limits."""
    for name, limit in LIMITS.items():
        text = (packaged_templates() / name).read_text(encoding="utf-8")
        if limit not in text:
            sys.exit(f"{name} has no `{limit.strip()}` any more")
        (directory / name).write_text(text.replace(limit, ""), encoding="utf-8")
    return directory


def sites(running: ExitStack) -> Iterator[tuple[str, Site]]:
    """Each kind, started."""
    kinds = {HAPROXY: "off", "front": "front", "balancer": "balancer", "no limit": "balancer"}
    for name, kind in kinds.items():
        site = running.enter_context(Site(SECTIONS, instances=2, threads=2, varnish=kind))
        site.set(requests_per_address="off", concurrent_requests_per_address="off")
        if name == "no limit":
            own = site.directory / "own"
            own.mkdir()
            site.set(templates=unlimited(own))
        site.configure(SECTIONS)
        site.start()
        until("the site", lambda s=site: s.get(FAST).status, lambda status: status == 200)
        yield name, site


def cpu(site: Site) -> float:
    """Seconds of CPU that all processes that serve requests have had so far."""
    pids = site.pids()
    names = ("instance1", "instance2", "haproxy", "varnish")
    first = [psutil.Process(pids[name]) for name in names if name in pids]
    every = {each.pid: each for one in first for each in (one, *one.children(recursive=True))}
    return sum(sum(each.cpu_times()[:2]) for each in every.values())


class Client:
    """One who asks again and again, on one connection."""

    def __init__(self, site: Site) -> None:
        address = site.address("haproxy")
        self.connection = http.client.HTTPConnection(address.host, address.port, timeout=120)

    def ask(self, path: str) -> float:
        """Seconds that an answer took."""
        began = time.monotonic()
        self.connection.request("GET", path, headers=LOGIN)
        answer = self.connection.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"{path} was answered with {answer.status}")
        return time.monotonic() - began


def light(site: Site) -> dict[str, float]:
    """One client, and nobody else."""
    client, before = Client(site), cpu(site)
    times = [client.ask(FAST) for _ in range(LIGHT)]
    spent = (cpu(site) - before) * 1000 / LIGHT
    return {"light, CPU": spent, **_shares("light", times)}


def mixed(site: Site) -> dict[str, float]:
    """Twice as many clients as the site has threads, some of whom ask for something slow."""
    fast: list[float] = []

    def visit(offset: int) -> None:
        client = Client(site)
        for number in range(MIXED):
            slow = (number + offset) % FIFTH == 0
            took = client.ask(SLOW if slow else FAST)
            if not slow:
                fast.append(took)

    clients = [
        threading.Thread(target=visit, args=(each,)) for each in range(2 * site.stack.threads)
    ]
    began = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return {"mixed, all": time.monotonic() - began, **_shares("mixed", fast)}


def _shares(load: str, times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=20)
    return {f"{load}, p50": cuts[9] * 1000, f"{load}, p95": cuts[18] * 1000}


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    figures: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as running:
        every = dict(sites(running))
        for number in range(rounds + 1):
            found = {name: light(site) | mixed(site) for name, site in every.items()}
            if not number:  # the first round only warms up
                continue
            for name, told in found.items():
                say(f"round {number}, {name}: {', '.join(f'{k} {v:.2f}' for k, v in told.items())}")
                for what, value in told.items():
                    ratio = value / found[HAPROXY][what]
                    figures.setdefault((what, name), []).append(value if name == HAPROXY else ratio)
    for (what, name), values in sorted(figures.items()):
        low, median, high = statistics.quantiles(values, n=4)
        unit = "" if name == HAPROXY else " times"
        print(f"{what}, {name}: {median:.3f}{unit} (quartiles {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
