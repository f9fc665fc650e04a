"""The HTTP probe, and the wait for a condition."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import TypeVar

from zopestack.features.address import Address
from zopestack_bench import Broken

#: Seconds a page may take: the first request of a page finds cold caches.
PATIENCE = 60.0

#: Poll interval of a condition in seconds.
INTERVAL = 0.05

Seen = TypeVar("Seen")


class TooLate(Broken):
    """The condition did not come true in time; the message says what was seen last."""


def until(
    awaited: str,
    look: Callable[[], Seen],
    accept: Callable[[Seen], object] = bool,
    timeout: float = PATIENCE,
) -> Seen:
    """Look until what is seen is accepted; what was seen then.

    A refused or broken connection counts as something seen.

    :param awaited: for the message, such as ``"instance1 to be back"``.
    :param timeout: seconds.
    :raises TooLate: where nothing is accepted in that time.
    """
    end = time.monotonic() + timeout
    while True:
        last: object
        try:
            seen = last = look()
            if accept(seen):
                return seen
        except (OSError, http.client.HTTPException) as why:
            last = why
        if time.monotonic() > end:
            raise TooLate(f"waited {timeout:.0f} s for {awaited}; last seen: {last!r}")
        time.sleep(INTERVAL)


def fetch(address: Address, path: str) -> bytes:
    """The body of a page.

    :raises Broken: unless the response has status 200.
    """
    try:
        status, body = _get(address, path)
    except (OSError, http.client.HTTPException) as why:
        raise Broken(f"http://{address}{path} does not answer: {why}") from None
    if status != http.HTTPStatus.OK:
        raise Broken(f"http://{address}{path} answers {status}, expected 200")
    return body


def status(address: Address, path: str = "/", host: str = "") -> int:
    """The status of the response to a GET; 0 where there is none.

    :param host: the Host header, the address unless given.
    """
    try:
        return _get(address, path, host)[0]
    except (OSError, http.client.HTTPException):
        return 0


def _get(address: Address, path: str, host: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Host": host} if host else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
