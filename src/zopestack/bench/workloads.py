"""What is asked for: the built-in workloads, or a path of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from zopestack.model import Address


@dataclass(frozen=True)
class Workload:
    """Requests of one kind.

    :param paths: asked for in turn; one with a host of its own is a whole URL.
    :param slow_readers: clients that download :data:`BLOB` at modem speed meanwhile.
    :param help: one sentence for the report.
    """

    name: str
    paths: tuple[str, ...]
    help: str
    slow_readers: int = 0


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
