"""One HTTP request to a process of the stack, and its answer."""

from __future__ import annotations

import http.client
from dataclasses import dataclass

from zopestack import USER_AGENT
from zopestack.features.address import Address


@dataclass(frozen=True)
class Answer:
    """Status and body."""

    status: int
    body: bytes


def probe(
    address: Address, path: str, method: str = "GET", timeout: float = 5, host: str = ""
) -> Answer:
    """Ask once.

    :param timeout: seconds.
    :param host: the Host header, the address unless given.
    :raises OSError: where no HTTP answer comes in time.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    try:
        headers = {"User-Agent": USER_AGENT, **({"Host": host} if host else {})}
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except http.client.HTTPException as why:
        raise OSError(f"no HTTP answer from {address}: {why!r}") from why
    finally:
        connection.close()
