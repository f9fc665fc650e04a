"""The HTTP probe, and the wait for a condition."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, TypeVar

from zopestack import wait
from zopestack.features.address import Address
from zopestack.probe import probe
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
    seen: Any = None

    def accepted() -> object:
        nonlocal seen
        try:
            seen = look()
            return accept(seen)
        except (OSError, HTTPException) as why:
            seen = why
            return False

    if not wait.until(accepted, timeout, INTERVAL):
        raise TooLate(f"waited {timeout:.0f} s for {awaited}; last seen: {seen!r}")
    found: Seen = seen
    return found


def fetch(address: Address, path: str) -> bytes:
    """The body of a page.

    :raises Broken: unless the response has status 200.
    """
    try:
        answer = probe(address, path, timeout=PATIENCE)
    except OSError as why:
        raise Broken(f"http://{address}{path} does not answer: {why}") from None
    if answer.status != HTTPStatus.OK:
        raise Broken(f"http://{address}{path} answers {answer.status}, expected 200")
    return answer.body


def status(address: Address, path: str = "/", host: str = "") -> int:
    """The status of the response to a GET; 0 where there is none.

    :param host: the Host header, the address unless given.
    """
    try:
        return probe(address, path, timeout=PATIENCE, host=host).status
    except OSError:
        return 0
