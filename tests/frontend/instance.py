"""What stands in for Zope behind the front door: a waitress that remembers every request.

    ZOPESTACK_... python -m tests.frontend.instance

waitress is what serves Zope, so what it makes of a request is what Zope would see; and the
agent is the one inside Zope, told what to do by the same variables.
Paths, wherever in the path Zope would have them:

    /seen         the requests since the last look, as JSON, on the instance's own port
    /hold?until=  answers when there is a file of that name
    /stream       5 MB off the thread, as Zope serves a blob
    /call?url=    fetches a URL before it answers
    /cached       may be cached; says how often it was made
    anything      a JSON description of the request
"""

from __future__ import annotations

import io
import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import waitress

from zopestack.agent import callbacks
from zopestack.agent.configuration import Configuration
from zopestack.agent.filter import attach

STREAM = 5 * 1024 * 1024

#: Seconds to wait for company, or for a page of one's own.
PATIENCE = 20

Environ = dict[str, Any]
Start = Callable[..., Any]

seen: list[dict[str, Any]] = []
made = 0


def application(environ: Environ, start: Start) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/seen":
        told, seen[:] = list(seen), []
        return answer(start, "200 OK", told)
    request = described(environ)
    seen.append(request)
    query = parse_qs(environ.get("QUERY_STRING", ""))
    if path.endswith("/hold"):
        return hold(start, Path(query["until"][0]))
    if path.endswith("/stream"):
        start("200 OK", [("Content-Length", str(STREAM)), ("Content-Type", "video/mp4")])
        return environ["wsgi.file_wrapper"](io.BytesIO(bytes(STREAM)))
    if path.endswith("/call"):
        return call(start, query["url"][0])
    if path.endswith("/cached"):
        return cached(start, query)
    return answer(start, "200 OK", request, [("X-Powered-By", "Zope")])


def described(environ: Environ) -> dict[str, Any]:
    body = environ["wsgi.input"].read()
    return {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ.get("QUERY_STRING", ""),
        "body": body.decode("latin-1")[:2000],
        "length": len(body),
        "port": environ["SERVER_PORT"],
        "headers": {
            name[5:].replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        },
    }


def hold(start: Start, until: Path) -> Iterable[bytes]:
    deadline = time.monotonic() + PATIENCE
    while not until.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return answer(start, "200 OK", {"held": True})


def call(start: Start, url: str) -> Iterable[bytes]:
    with urllib.request.urlopen(url, timeout=PATIENCE) as inner:
        return answer(start, "200 OK", {"inner": inner.status})


def cached(start: Start, query: dict[str, list[str]]) -> Iterable[bytes]:
    global made
    made += 1
    headers = [("Cache-Control", "public, max-age=60")]
    if "cookie" in query:
        headers.append(("Set-Cookie", "session=1"))
    return answer(start, "200 OK", {"made": made}, headers)


def answer(
    start: Start, status: str, told: object, headers: Iterable[tuple[str, str]] = ()
) -> Iterable[bytes]:
    body = json.dumps(told).encode()
    plain = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start(status, [*plain, *headers])
    return [body]


if __name__ == "__main__":
    callbacks.install()
    told = Configuration.read(os.environ)
    waitress.serve(
        attach(application),
        host=told.http_host,
        port=told.http_port,
        threads=told.threads,
        # As plone.recipe.zope2instance has it.
        clear_untrusted_proxy_headers=False,
    )
