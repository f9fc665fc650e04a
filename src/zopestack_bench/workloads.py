"""What is asked for: the built-in workloads, or a path of the user's own."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from zopestack.address import Address


@dataclass(frozen=True)
class Workload:
    """Requests of one kind.

    :param paths: asked for in turn; one with a host of its own is a whole URL.
    :param slow_readers: clients that download :data:`BLOB` at modem speed meanwhile.
    :param help: one sentence for the report.
    :param cookies: sent with each of the paths.
    :param warm_up: seconds of load before a measurement, so that caches are warm.
    """

    name: str
    paths: tuple[str, ...]
    help: str
    slow_readers: int = 0
    cookies: tuple[str, ...] = ()
    warm_up: float = 0.3


def host_and_path(asked: str, address: Address) -> tuple[str, str]:
    """What a request for one of the paths has after ``Host:`` and after ``GET``.

    :param address: where it is sent; the host, where the path has none.
    """
    if asked.startswith("/"):
        return str(address), asked
    host = urlsplit(asked).netloc
    return host, asked.partition(f"://{host}")[2] or "/"


#: The path slow readers download.
BLOB = "/bench-blob"

#: The path of the smaller download, of 5 MB.
DOWNLOAD = "/bench-download"

#: Parts of a site, each read by one visitor; and how many of them are few.
SHELVES = 40
FEW = 10

#: Requests until the order in which visitors come repeats itself.
ORDER = 1000

#: Bytes a second of a slow reader: a modem of 56 kbit/s.
MODEM = 7000

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("light", ("/bench-light",), "a constant: below 1 ms in Zope"),
        Workload("cpu", ("/bench-cpu",), "a page template of 300 links: CPU only, about 20 ms"),
        Workload("wait", ("/bench-wait",), "waits 100 ms on a socket, without CPU or GIL"),
        Workload(
            "mixed",
            ("/bench-light", "/bench-light", "/bench-light", "/bench-cpu"),
            "light and CPU-bound pages 3 to 1, while two visitors download a blob of 16 MB "
            "at modem speed",
            slow_readers=2,
        ),
        Workload("write", ("/bench-write",), "adds to one of 4 counters in the database"),
    )
}


def _readers(name: str, shelves: int, meaning: str) -> Workload:
    """Visitors who come in no order, each to a shelf of their own. They are logged in, and
    each has been given an instance's cookie, the next one the next."""
    random_order = random.Random(1)  # noqa: S311
    visitors = [random_order.randrange(shelves) for _ in range(ORDER)]
    return Workload(
        name,
        tuple(f"/bench-shelf/{visitor}" for visitor in visitors),
        meaning,
        cookies=tuple(_cookies(visitors)),
        warm_up=1.5,
    )


def _cookies(visitors: Iterable[int]) -> Iterable[str]:
    for visitor in visitors:
        yield f"__ac=visitor{visitor}; ZOPESTACK=instance{1 + visitor % 2}"


#: What affinity is measured with.
LIBRARY = {
    workload.name: workload
    for workload in (
        _readers(
            "large site",
            SHELVES,
            f"{SHELVES} visitors, each reads 175 objects of their own; together they are 1.75 "
            "times what one instance's ZODB cache holds",
        ),
        _readers(
            "small site",
            FEW,
            f"{FEW} visitors, each reads 175 objects of their own; every instance's ZODB cache "
            "holds them all",
        ),
    )
}

#: Every workload there is a name for.
KNOWN = {**WORKLOADS, **LIBRARY}
