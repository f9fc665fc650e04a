"""CPU time, which a busy machine disturbs less than the clock."""

from __future__ import annotations

import http.client
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping

import psutil

from zopestack.features.address import Address


def used(processes: Iterable[psutil.Process]) -> float:
    """Seconds that the kernel has charged them so far, in their own code and its own."""
    return sum(sum(each.cpu_times()[:2]) for each in processes)


def of_a_request(
    used: Callable[[], float],
    address: Address,
    path: str,
    requests: int,
    headers: Mapping[str, str] | None = None,
) -> float:
    """Milliseconds a request takes, one after the other on one connection.

    :param used: seconds of CPU, so far, of what is measured.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
    before = used()
    for _ in range(requests):
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"{address} answered {answer.status}")
    connection.close()
    return (used() - before) * 1000 / requests


def spread(values: list[float], unit: str = "") -> str:
    """The median and the quartiles, as people read them."""
    low, median, high = statistics.quantiles(values, n=4)
    return f"{median:.3f}{unit} (quartiles {low:.3f} to {high:.3f})"
