"""``scripts/bench --frontend``: what the parts of the front end promise, cost and bring.

Each "layout" is the same two instances of one thread behind HAProxy; what differs is HAProxy's
configuration, or which other clients there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from zopestack_bench import load, slow
from zopestack_bench.farm import TEMPLATES, Farm
from zopestack_bench.layouts import Layout, generated
from zopestack_bench.probe import fetch
from zopestack_bench.record import Closed, Experiment, Open
from zopestack_bench.slow import slow_clients
from zopestack_bench.target import Target
from zopestack_bench.workloads import DOWNLOAD, SHELVES

#: Slow clients beside the measured ones (issue 4): how many, and bytes a second of a reader.
READERS, READING = 40, 10_000
SENDERS = 500

#: Slow senders beside the slow readers (issue 12).
FEW_SENDERS = 40

#: Where the measured clients come from: any address but 127.0.0.1, which is limited less.
CLIENT = "127.0.0.2"

#: Pages a second that two instances serve with ease: a third of what they can.
ARRIVALS = Open(20)

#: The same where no response is expected, since each is waited for.
BRIEFLY = Open(10)

#: Seconds that such a layout takes beyond its load: until all requests are abandoned, and until
#: the slow clients are no longer waited for.
UNANSWERED = load.PATIENCE + slow.PATIENCE

#: Seconds after which no experiment is begun, as in a quick run of the rest.
LIMIT = 360

#: Clients that read shelves: one finds every preferred server free; of four, twice as many as
#: there are threads, hardly any does.
ALONE, BUSY = Closed(1), Closed(4)

#: Clients that request the light page, as in every other run.
LIGHT = Closed(8)

#: Objects an instance keeps in its ZODB cache where shelves are read: a bit more than half.
CACHE = 4000

UNDISTURBED = "undisturbed"
SLOW_READERS = f"{READERS} slow readers"
SLOW_SENDERS = f"{SENDERS} slow senders"
SLOW_BOTH = f"{READERS} slow readers, {FEW_SENDERS} slow senders"
NO_SLOTS_READERS = f"{READERS} slow readers, no slots.lua"

#: Which site is read by how many.
READ = (("large site", ALONE), ("large site", BUSY), ("small site", ALONE))

AFFINITIES = ("none", "cookie", "authenticated", "path")

GENERATED = "as generated"
BARE = "bare HAProxy"
NO_SLOTS = "no slots.lua"
NO_LOG = "no access log"
NO_RULES = "no rules"
COUNTED = "limited client"

#: Templates that take the place of the product's and leave one part out.
WITHOUT_SLOTS, WITHOUT_RULES = TEMPLATES / "no-slots", TEMPLATES / "no-rules"


def layouts() -> dict[str, Layout]:
    """Everything that is compared, by name."""
    readers = partial(visited, number=READERS, path=DOWNLOAD, speed=READING)
    senders = partial(visited, number=SENDERS)
    loaded = f"while {READERS} clients download 5 MB at {READING // 1000} kB/s"
    # Requests of a client that is not on this machine are counted, here never over the limit.
    counted = {"requests-per-address": "1000000"}
    layout = partial(Layout, instances=2, threads=1, serve=generated)
    found = [
        layout(UNDISTURBED, "no other clients", serve=visited),
        layout(SLOW_READERS, loaded, serve=readers),
        layout(
            SLOW_SENDERS,
            f"while {SENDERS} clients send a header now and then and never finish",
            serve=senders,
        ),
        layout(
            SLOW_BOTH,
            f"{loaded}, and {FEW_SENDERS} send a header now and then and never finish",
            serve=readers_and_senders,
        ),
        layout(
            NO_SLOTS_READERS,
            f"{loaded}, and HAProxy counts a download as a busy thread",
            serve=readers,
            templates=WITHOUT_SLOTS,
        ),
        layout(GENERATED, "HAProxy with everything that bin/buildout writes"),
        layout(
            BARE,
            "HAProxy with one thread, leastconn, maxconn, and nothing else",
            templates=TEMPLATES / "bare",
        ),
        layout(NO_SLOTS, "without slots.lua", templates=WITHOUT_SLOTS),
        layout(NO_LOG, "without the access log", settings={"access-log": "off"}),
        layout(NO_RULES, "without the rules that check requests", templates=WITHOUT_RULES),
        layout(COUNTED, "the client's requests are counted", serve=visited, settings=counted),
    ]
    found += [
        layout(f"affinity {kind}", f"affinity = {kind}", settings={"affinity": kind})
        for kind in AFFINITIES
    ]
    return {layout.name: layout for layout in found}


def experiments() -> list[Experiment]:
    """What is measured, and how often."""
    affinities = tuple(f"affinity {kind}" for kind in AFFINITIES)
    parts = (GENERATED, BARE, NO_SLOTS, NO_LOG, NO_RULES, COUNTED)
    return [
        Experiment("cpu", ARRIVALS, (UNDISTURBED, SLOW_READERS, SLOW_SENDERS), 5, 6),
        Experiment("cpu", BRIEFLY, (UNDISTURBED, NO_SLOTS_READERS), 1, 3),
        Experiment("light", LIGHT, parts, 5, 1),
        *(Experiment(site, read, affinities, 3, 1) for site, read in READ),
    ]


def prepare(farm: Farm) -> None:
    """Fill the shelves, and give each instance a cache that holds some of them."""
    for instance in farm.stack.instances:
        fetch(instance.address, f"/bench-library?shelves:int={SHELVES}&cache:int={CACHE}")


@contextmanager
def visited(
    farm: Farm, layout: Layout, number: int = 0, path: str = "", speed: int = 1
) -> Iterator[Target]:
    """As generated, with clients from outside and so many slow clients beside them (``slow``)."""
    with (
        generated(farm, layout) as target,
        slow_clients(target.address, number, path, speed) as crowd,
    ):
        yield replace(target, client=CLIENT, crowd=crowd)


@contextmanager
def readers_and_senders(farm: Farm, layout: Layout) -> Iterator[Target]:
    """As :func:`visited`, with slow readers and slow senders at once."""
    with (
        visited(farm, layout, READERS, DOWNLOAD, READING) as target,
        slow_clients(target.address, FEW_SENDERS) as senders,
    ):
        yield replace(target, crowd=(*target.crowd, *senders))
