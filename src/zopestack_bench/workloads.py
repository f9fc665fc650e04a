"""What is requested: the built-in workloads, or a path of the user's own."""

from __future__ import annotations

import random
from dataclasses import dataclass
from urllib.parse import urlsplit

from zopestack.features.address import Address
from zopestack_bench.slow import Slow


@dataclass(frozen=True)
class Workload:
    """Requests of one kind.

    :param paths: requested in turn; one with a host of its own is a whole URL.
    :param help: one sentence for the report.
    :param slow: slow clients meanwhile.
    :param cookies: sent with each of the paths.
    :param warm_up: seconds of load before a measurement, so that caches are warm.
    """

    name: str
    paths: tuple[str, ...]
    help: str
    slow: tuple[Slow, ...] = ()
    cookies: tuple[str, ...] = ()
    warm_up: float = 0.3


def host_and_path(asked: str, address: Address) -> tuple[str, str]:
    """The Host header and the path of a request for one of the paths.

    :param address: where it is sent; the host, where the path has none.
    """
    if asked.startswith("/"):
        return str(address), asked
    host = urlsplit(asked).netloc
    return host, asked.partition(f"://{host}")[2] or "/"


#: The path that slow readers of a workload download.
BLOB = "/bench-blob"

#: The path of the smaller download, of 5 MB.
DOWNLOAD = "/bench-download"

#: Parts of a site, each read by one user; and how many of them are few.
SHELVES = 40
FEW = 10

#: Requests until the order of users repeats itself.
ORDER = 1000

#: Who downloads at the speed of a modem of 56 kbit/s.
MODEMS = Slow(2, BLOB, 7000)

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("light", ("/bench-light",), "a constant: below 1 ms in Zope"),
        Workload("cpu", ("/bench-cpu",), "a page template of 300 links: CPU only, about 20 ms"),
        Workload("wait", ("/bench-wait",), "waits 100 ms on a socket, without CPU or GIL"),
        Workload(
            "mixed",
            ("/bench-light", "/bench-light", "/bench-light", "/bench-cpu"),
            "light and CPU-bound pages 3 to 1, while two clients download a blob of 16 MB "
            "at modem speed",
            slow=(MODEMS,),
        ),
        Workload("write", ("/bench-write",), "adds to one of 4 counters in the database"),
    )
}


def _readers(name: str, shelves: int, meaning: str) -> Workload:
    """Users in random order, each with a shelf of objects. They are logged in, and have the
    affinity cookie of one of two instances in turn."""
    order = random.Random(1)  # noqa: S311
    users = [order.randrange(shelves) for _ in range(ORDER)]
    return Workload(
        name,
        tuple(f"/bench-shelf/{user}" for user in users),
        f"{shelves} users, each reads 175 objects of their own; {meaning}",
        cookies=tuple(f"__ac=user{user}; ZOPESTACK=instance{1 + user % 2}" for user in users),
        warm_up=1.5,
    )


#: What affinity is measured with.
LIBRARY = {
    workload.name: workload
    for workload in (
        _readers(
            "large site",
            SHELVES,
            "together they are 1.75 times what one instance's ZODB cache holds",
        ),
        _readers("small site", FEW, "every instance's ZODB cache holds them all"),
    )
}

#: Every workload there is a name for.
KNOWN = {**WORKLOADS, **LIBRARY}
