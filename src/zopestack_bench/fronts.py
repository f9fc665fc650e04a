"""What the parts of the front end promise, cost and bring.

Each of these layouts is the same two instances of one thread behind HAProxy; what differs is
HAProxy's configuration, or which other clients there are.
"""

from __future__ import annotations

from functools import partial

from zopestack_bench.farm import Farm
from zopestack_bench.layouts import TEMPLATES, Layout
from zopestack_bench.probe import fetch
from zopestack_bench.record import Closed, Open
from zopestack_bench.slow import Slow
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

#: Which site is read by how many.
READ = (("large site", ALONE), ("large site", BUSY), ("small site", ALONE))

#: Templates that take the place of the product's and leave one part out.
WITHOUT_SLOTS, WITHOUT_RULES = TEMPLATES / "no-slots", TEMPLATES / "no-rules"

_layout = partial(Layout, instances=2, threads=1)
_visited = partial(_layout, client=CLIENT)
_loaded = f"while {READERS.number} clients download 5 MB at {READERS.speed // 1000} kB/s"
_sending = "send a header now and then and never finish"

UNDISTURBED = _visited("undisturbed", "no other clients")
SLOW_READERS = _visited(f"{READERS.number} slow readers", _loaded, slow=(READERS,))
SLOW_SENDERS = _visited(
    f"{SENDERS.number} slow senders",
    f"while {SENDERS.number} clients {_sending}",
    slow=(SENDERS,),
)
SLOW_BOTH = _visited(
    f"{READERS.number} slow readers, {FEW_SENDERS.number} slow senders",
    f"{_loaded}, and {FEW_SENDERS.number} {_sending}",
    slow=(READERS, FEW_SENDERS),
)
NO_SLOTS_READERS = _visited(
    f"{READERS.number} slow readers, no slots.lua",
    f"{_loaded}, and HAProxy counts a download as a busy thread",
    slow=(READERS,),
    templates=WITHOUT_SLOTS,
)
GENERATED = _layout("as generated", "HAProxy with everything that bin/buildout writes")
BARE = _layout(
    "bare HAProxy",
    "HAProxy with one thread, leastconn, maxconn, and nothing else",
    templates=TEMPLATES / "bare",
)
NO_SLOTS = _layout("no slots.lua", "without slots.lua", templates=WITHOUT_SLOTS)
NO_LOG = _layout("no access log", "without the access log", settings={"access-log": "off"})
NO_RULES = _layout("no rules", "without the rules that check requests", templates=WITHOUT_RULES)

#: Requests of a client that is not on this machine are counted, here never over the limit.
COUNTED = _visited(
    "limited client",
    "the client's requests are counted",
    settings={"requests-per-address": "1000000"},
)

AFFINITIES = {
    kind: _layout(f"affinity {kind}", f"affinity = {kind}", settings={"affinity": kind})
    for kind in ("none", "cookie", "authenticated", "path")
}


def prepare(farm: Farm) -> None:
    """Fill the shelves, and give each instance a cache that holds some of them."""
    for instance in farm.stack.instances:
        fetch(instance.address, f"/bench-library?shelves:int={SHELVES}&cache:int={CACHE}")
