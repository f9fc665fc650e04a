"""What the parts of the front end promise, cost and bring.

Each of these layouts is the same two instances of one thread behind HAProxy; what differs is
HAProxy's configuration, or which other clients there are.
"""

from __future__ import annotations

from functools import partial

from zopestack_bench.farm import TEMPLATES, Farm
from zopestack_bench.layouts import generated
from zopestack_bench.probe import fetch
from zopestack_bench.record import Closed, Open
from zopestack_bench.slow import Slow
from zopestack_bench.target import Layout
from zopestack_bench.workloads import DOWNLOAD, SHELVES

#: Slow clients beside the measured ones (issues 4 and 12).
READERS = Slow(40, DOWNLOAD, 10_000)
SENDERS, FEW_SENDERS = Slow(500), Slow(40)

#: Where the measured clients come from: any address but 127.0.0.1, which is limited less.
CLIENT = "127.0.0.2"

#: Pages a second that two instances serve with ease: a third of what they can.
ARRIVALS = Open(20)

#: The same where no response is expected, since each is waited for.
BRIEFLY = Open(10)

#: Clients that read shelves: one finds every preferred server free; of four, twice as many as
#: there are threads, hardly any does.
ALONE, BUSY = Closed(1), Closed(4)

#: Objects an instance keeps in its ZODB cache where shelves are read: a bit more than half.
CACHE = 4000

UNDISTURBED = "undisturbed"
SLOW_READERS = f"{READERS.number} slow readers"
SLOW_SENDERS = f"{SENDERS.number} slow senders"
SLOW_BOTH = f"{READERS.number} slow readers, {FEW_SENDERS.number} slow senders"
NO_SLOTS_READERS = f"{READERS.number} slow readers, no slots.lua"

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
    loaded = f"while {READERS.number} clients download 5 MB at {READERS.speed // 1000} kB/s"
    sending = "send a header now and then and never finish"
    layout = partial(Layout, instances=2, threads=1, serve=generated)
    visited = partial(layout, client=CLIENT)
    found = [
        visited(UNDISTURBED, "no other clients"),
        visited(SLOW_READERS, loaded, slow=(READERS,)),
        visited(SLOW_SENDERS, f"while {SENDERS.number} clients {sending}", slow=(SENDERS,)),
        visited(
            SLOW_BOTH,
            f"{loaded}, and {FEW_SENDERS.number} {sending}",
            slow=(READERS, FEW_SENDERS),
        ),
        visited(
            NO_SLOTS_READERS,
            f"{loaded}, and HAProxy counts a download as a busy thread",
            slow=(READERS,),
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
        # Requests of a client that is not on this machine are counted, here never over the limit.
        visited(
            COUNTED,
            "the client's requests are counted",
            settings={"requests-per-address": "1000000"},
        ),
    ]
    found += [
        layout(f"affinity {kind}", f"affinity = {kind}", settings={"affinity": kind})
        for kind in AFFINITIES
    ]
    return {layout.name: layout for layout in found}


def prepare(farm: Farm) -> None:
    """Fill the shelves, and give each instance a cache that holds some of them."""
    for instance in farm.stack.instances:
        fetch(instance.address, f"/bench-library?shelves:int={SHELVES}&cache:int={CACHE}")
