"""Writes down every request as it is handed to Zope's publisher, before Zope looks at it.

A WSGI filter, not a subscriber to Zope's ``IPubStart``: Zope refuses a path that is no
UTF-8 before it notifies anybody.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

#: Names the directory of the files, one for the port of each instance.
DIRECTORY = "FRONTEND_SEEN"

Application = Callable[..., Iterable[bytes]]


def factory(global_conf: Any) -> Callable[[Application], Application]:
    """A ``paste.filter_factory``."""
    return recorded


def recorded(application: Application) -> Application:
    """The application, with a line of JSON for each request written before it begins."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        path = Path(os.environ[DIRECTORY]) / environ["SERVER_PORT"]
        with path.open("ab", buffering=0) as file:
            file.write(json.dumps(described(environ, body)).encode() + b"\n")
        return application(environ, start_response)

    return call


def described(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    """What WSGI says of a request; bytes as the Latin-1 text that WSGI makes of them."""
    return {
        "at": time.monotonic(),
        "method": environ["REQUEST_METHOD"],
        "protocol": environ["SERVER_PROTOCOL"],
        "path": environ["SCRIPT_NAME"] + environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "body": body.decode("latin-1"),
        "headers": {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
        },
    }
