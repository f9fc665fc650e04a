"""The one way in which tests make an ordinary HTTP request."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.support.polling import PATIENCE
from zopestack.features.address import Address


@dataclass(frozen=True)
class Response:
    """An HTTP answer, read to its end.

    :ivar headers: by name, in any case; one that is not there is None.
    """

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def fetch(
    address: Address,
    path: str,
    method: str = "GET",
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    source: str | None = None,
    secure: bool = False,
) -> Response:
    """One request on a connection of its own.

    :param source: the visitor's own address, one of 127.0.0.0/8.
    :param secure: over https, whatever the certificate.
    :raises OSError, http.client.HTTPException: where no answer comes.
    """
    kind: Callable[..., http.client.HTTPConnection] = http.client.HTTPConnection
    if secure:
        kind = partial(http.client.HTTPSConnection, context=trusting())
    own = (source, 0) if source else None
    connection = kind(address.host, address.port, timeout=PATIENCE, source_address=own)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def trusting() -> ssl.SSLContext:
    """TLS for a visitor who takes any certificate."""
    # Without the authorities that create_default_context reads, 20 ms each time.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
