"""What one client may ask for, and how much of it at once."""

from __future__ import annotations

import re

from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import count, optional_size, seconds, size, whole_number

#: HAProxy's default for requests at once on one connection of HTTP/2.
H2_STREAMS = 100

#: A request method.
METHOD = re.compile(r"[A-Z]{1,20}")


def _methods(text: str) -> tuple[str, ...]:
    """Request methods."""
    given = tuple(text.split())
    for word in given:
        if not METHOD.fullmatch(word):
            raise ValueError(f"request methods in capitals, like GET and POST; {word!r} is not one")
    if "GET" not in given:
        raise ValueError("request methods, GET among them")
    return given


def _fields(text: str) -> int:
    return whole_number(text, 1, 1_000_000)


@feature
class Limits(Feature):
    """Sizes in bytes, times in seconds; 0 for no limit."""

    methods: tuple[str, ...] = option(
        _methods,
        "GET HEAD POST PUT PATCH DELETE OPTIONS",
        "Request methods that reach Zope; any other gets 405.",
    )
    max_body_size: int = option(
        size, "1GB", "The largest body of a request; a larger one gets 413."
    )
    form_memory_limit: int = option(
        size,
        # Volto sends an image as base64 in JSON: this is one of 12 MB.
        "16MB",
        "What Zope holds in memory of one form, and the largest body of a REST request or of a "
        "form without files; more gets 400. Files may have ``max-body-size``.",
    )
    form_part_limit: int = option(
        _fields,
        # A control panel with many rows has some thousands.
        "10000",
        "Fields of one form; more get 400.",
    )
    connections_per_address: int = option(
        count,
        "200",
        "Connections one client may have open; more are closed at once. ``off`` for any number.",
    )
    requests_per_address: int = option(
        count,
        "1000",
        "Requests of one client in 10 seconds; more get 429. ``off`` for any number.",
    )
    concurrent_requests_per_address: int = option(
        count,
        # Below the 80 slots that one instance lends.
        "64",
        "Requests of one client in progress at once, slow downloads included; one more gets 429. "
        "``off`` for any number.",
    )
    concurrent_uploads_per_address: int = option(
        optional_size,
        "100MB",
        "Bytes of request bodies that one client may be sending at once, beside one of any size; "
        "more get 429. ``off`` for any number.",
    )
    timeout_http_request: int = option(
        seconds,
        "10s",
        "How long a client gets for the headers of a request, and for the start of its body.",
    )
    timeout_client: int = option(
        seconds,
        "30s",
        "How long a client may send nothing of a body, or take nothing of a response, before its "
        "connection is closed.",
    )

    @property
    def h2_streams(self) -> int:
        """Requests at once on one connection of HTTP/2: half of what one client may have."""
        most = self.concurrent_requests_per_address or 2 * H2_STREAMS
        return max(1, min(H2_STREAMS, most // 2))
