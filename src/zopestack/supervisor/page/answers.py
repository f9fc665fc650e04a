"""What the page consists of, by path, as it goes over HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zopestack import stack_file
from zopestack.supervisor.page.watcher import Watcher

#: What the page itself brings along in one of its elements.
ELEMENT = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)

#: Of every answer: nobody keeps it, takes it for something else, or shows it in a page of his own.
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Content:
    """A body and its headers."""

    body: bytes
    headers: Mapping[str, str]


def content(path: str, watcher: Watcher) -> Content:
    """What is at one of :data:`PATHS`.

    :raises OSError: if the Stack or the page cannot be read.
    """
    return PATHS[path](watcher)


def _page(watcher: Watcher) -> Content:
    file = stack_file.load(watcher.file).status_page
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as why:
        raise type(why)(f"{file} cannot be read ({why.strerror}): run bin/buildout") from why
    own = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy(text)}
    return Content(text.encode(), {**HEADERS, **own})


def _status(watcher: Watcher) -> Content:
    return _json(watcher.status())


def _hour(watcher: Watcher) -> Content:
    return _json(watcher.hour())


def _json(value: Any) -> Content:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Content(text.encode(), {**HEADERS, "Content-Type": "application/json"})


PATHS: Mapping[str, Callable[[Watcher], Content]] = {
    "/": _page,
    "/status.json": _status,
    "/hour.json": _hour,
}


def policy(page: str) -> str:
    """What a browser may do for the page: run what is in it, and ask here (CSP Level 3).

    Nothing that a visitor of the site has sent can become a script: ``require-trusted-types-for``
    has the browser refuse to make markup of any text.
    """
    sources: dict[str, list[str]] = {"style": [], "script": []}
    for kind, text in ELEMENT.findall(page):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        sources[kind].append(f"'sha256-{digest}'")
    rules = {
        "default-src": "'none'",
        **{f"{kind}-src": " ".join(found) or "'none'" for kind, found in sources.items()},
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())
