"""``scripts/bench --frontend``: what the front end's parts promise, cost and bring.

Each "layout" is the same two instances of one thread behind HAProxy; what differs is
HAProxy's configuration, or who else is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial

from zopestack.address import Address
from zopestack_bench import engine, peers, slow
from zopestack_bench.farm import Broken, Farm, fetch
from zopestack_bench.layouts import Layout, generated
from zopestack_bench.measured import Closed, Open
from zopestack_bench.record import Experiment
from zopestack_bench.slow import slow_readers, slow_senders
from zopestack_bench.starting import supervised
from zopestack_bench.target import Target
from zopestack_bench.workloads import DOWNLOAD, SHELVES

#: Who is there besides the visitors whose pages are measured (issue 4).
READERS, READING = 40, 10_000
SENDERS = 500

#: From where the measured visitors come: any address but this machine's own, 127.0.0.1.
VISITOR = "127.0.0.2"

#: Pages a second that two instances carry with ease: a third of what they can.
ARRIVALS = Open(20)

#: The same while nothing is expected to be answered: each is waited for.
BRIEFLY = Open(10)

#: Seconds that such a layout takes beyond its load: until all are given up, and some of the
#: crowd are not waited for any more.
UNANSWERED = engine.PATIENCE + slow.PATIENCE

#: Seconds after which nothing more is begun, as in a quick run of the rest.
LIMIT = 360

#: Clients who read shelves: one finds every favourite free; of four, as many as there are
#: threads and again, hardly any does.
ALONE, BUSY = Closed(1), Closed(4)

#: Clients who ask for the light page, as in every other run.
LIGHT = Closed(8)

#: Objects an instance keeps in its ZODB cache where shelves are read: a bit more than half
#: of them.
CACHE = 4000

UNDISTURBED = "undisturbed"
SLOW_READERS = f"{READERS} slow readers"
SLOW_SENDERS = f"{SENDERS} slow senders"
NO_SLOTS_READERS = f"{READERS} slow readers, no slots.lua"

#: Which site is read by how many.
READ = (("large site", ALONE), ("large site", BUSY), ("small site", ALONE))

AFFINITIES = ("none", "cookie", "authenticated", "path")

GENERATED = "as generated"
BARE = "bare HAProxy"
NO_SLOTS = "no slots.lua"
NO_LOG = "no access log"
UNCHECKED = "no rules"
COUNTED = "limited visitor"

#: What the rules of a front end begin with.
RULES = ("acl", "http-request", "http-response", "tcp-request")

Crowd = Callable[[Address], AbstractContextManager[tuple[int, ...]]]


def layouts() -> dict[str, Layout]:
    """Everything that is compared, by name."""
    readers = partial(slow_readers, path=DOWNLOAD, number=READERS, speed=READING)
    senders = partial(slow_senders, number=SENDERS)
    loaded = f"while {READERS} clients download 5 MB at {READING // 1000} kB/s"
    found = [
        _layout(UNDISTURBED, "nobody else is there", visited),
        _layout(SLOW_READERS, loaded, partial(visited, crowd=readers)),
        _layout(
            SLOW_SENDERS,
            f"while {SENDERS} clients send a header now and then and never finish",
            partial(visited, crowd=senders),
        ),
        _layout(
            NO_SLOTS_READERS,
            f"{loaded}, and HAProxy counts a download as a busy thread",
            partial(visited, crowd=readers, edit=without_slots),
        ),
        _layout(GENERATED, "HAProxy with everything that bin/buildout writes", generated),
        _layout(BARE, "HAProxy with one thread, leastconn, maxconn, and nothing else", bare),
        _layout(NO_SLOTS, "less slots.lua", partial(generated, edit=without_slots)),
        _layout(NO_LOG, "less the access log", generated, {"access-log": "off"}),
        _layout(UNCHECKED, "less every rule of the front end", partial(generated, edit=unchecked)),
        _layout(
            COUNTED,
            "the visitor's address is not this machine's own, so requests are counted",
            partial(generated, edit=from_outside),
            # Counted, but never over the limit.
            {"requests-per-address": "1000000"},
        ),
    ]
    found += [
        _layout(f"affinity {kind}", f"affinity = {kind}", generated, {"affinity": kind})
        for kind in AFFINITIES
    ]
    return {layout.name: layout for layout in found}


def experiments() -> list[Experiment]:
    """What is measured, and how often."""
    affinities = tuple(f"affinity {kind}" for kind in AFFINITIES)
    parts = (GENERATED, BARE, NO_SLOTS, NO_LOG, UNCHECKED, COUNTED)
    return [
        Experiment("cpu", ARRIVALS, (UNDISTURBED, SLOW_READERS, SLOW_SENDERS), 5, 6),
        Experiment("cpu", BRIEFLY, (UNDISTURBED, NO_SLOTS_READERS), 1, 3),
        Experiment("light", LIGHT, parts, 5, 1),
        *(Experiment(site, load, affinities, 3, 1) for site, load in READ),
    ]


def prepare(farm: Farm) -> None:
    """Fill the shelves, and give each instance a cache that holds some of them."""
    for instance in farm.stack.instances:
        fetch(instance.address, f"/bench-library?shelves:int={SHELVES}&cache:int={CACHE}")


@contextmanager
def visited(
    farm: Farm,
    layout: Layout,
    crowd: Crowd | None = None,
    edit: Callable[[str], str] | None = None,
) -> Iterator[Target]:
    """As generated, asked by visitors from outside, with a crowd beside them."""
    with generated(farm, layout, edit=edit) as target:
        target = replace(target, visitor=VISITOR)
        if crowd is None:
            yield target
            return
        with crowd(target.address) as pids:
            yield replace(target, crowd=pids)


@contextmanager
def bare(farm: Farm, layout: Layout) -> Iterator[Target]:
    """HAProxy with the two settings that decide the rate (FACTS: one HAProxy thread, as many
    requests as threads), and its defaults."""
    instances = farm.instances(layout.instances, layout.threads)
    stack = replace(farm.stack, instances=instances)
    servers = [f"server {x.name} {x.address} check maxconn {x.maxconn}" for x in instances]
    text = peers.STOCK.format(
        socket=stack.haproxy_socket,
        address=stack.balancer.http,
        servers="\n".join(f"    {line}" for line in ("balance leastconn", *servers)),
    )
    text = text.replace("global\n", "global\n    nbthread 1\n")
    with supervised(farm, stack, {stack.haproxy_conf: text}) as target:
        yield target


def without_slots(text: str) -> str:
    """haproxy.cfg less what lends slots."""
    return _less(text, lambda section, line: "slots" in line)


def unchecked(text: str) -> str:
    """haproxy.cfg whose front end looks at no request and changes none."""

    def rule(section: str, line: str) -> bool:
        words = line.split()
        # What is captured is for the log.
        return section == "frontend site" and words[0] in RULES and words[1] != "capture"

    return _less(text, rule)


def from_outside(text: str) -> str:
    """haproxy.cfg that takes this machine for a visitor."""
    return _changed(text, text.replace("src 127.0.0.1 ::1", "src 192.0.2.1"))


def _less(text: str, unwanted: Callable[[str, str], bool]) -> str:
    """The text less the lines of its sections that are not wanted."""
    section, kept = "", []
    for line in text.splitlines():
        if line[:1].isalpha():
            section = line.strip()
        setting = line.strip() and not line.strip().startswith("#")
        if not setting or not unwanted(section, line):
            kept.append(line)
    return _changed(text, "\n".join(kept) + "\n")


def _changed(before: str, after: str) -> str:
    if before == after:
        raise Broken("haproxy.cfg has changed: scripts/bench --frontend does not know it any more.")
    return after


def _layout(
    name: str,
    meaning: str,
    serve: Callable[[Farm, Layout], AbstractContextManager[Target]],
    settings: Mapping[str, str] | None = None,
) -> Layout:
    return Layout(name, meaning, 2, 1, serve, settings=settings or {})
