"""A line for every request in the instance's access log, with the number HAProxy gave it.

Stands where Paste's translogger stands otherwise, and writes to the same logger in the
same form, with the request's number and its time in Zope after it: the line of
``haproxy.out.log`` with the same ``id`` tells what happened before and after.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

#: The logger that plone.recipe.zope2instance gives the access log's handler.
logger = logging.getLogger("wsgi")

LINE = '%s - %s [%s] "%s %s %s" %s %s "%s" "%s" response=%d id=%s'


def factory(global_conf: Any) -> Any:
    """A ``paste.filter_factory``: the filter that logs."""
    return attach


def attach(application: Application) -> Application:
    """The application, with a line logged as each response begins."""

    def logged(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = time.monotonic()

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            _log(environ, status, headers, time.monotonic() - began)
            return start_response(status, headers, *error)

        return application(environ, start)

    return logged


def _log(environ: Environ, status: str, headers: list[tuple[str, str]], seconds: float) -> None:
    # A WSGI path is bytes, dressed up as Latin-1 (PEP 3333).
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    path = quote(path, safe="/:@", encoding="latin-1")
    if environ.get("QUERY_STRING"):
        path += "?" + environ["QUERY_STRING"]
    logger.info(
        LINE,
        environ.get("HTTP_X_FORWARDED_FOR") or environ.get("REMOTE_ADDR", "-"),
        environ.get("REMOTE_USER") or "-",
        time.strftime("%d/%b/%Y:%H:%M:%S %z"),
        environ["REQUEST_METHOD"],
        path,
        environ.get("SERVER_PROTOCOL"),
        status.partition(" ")[0],
        next((value for name, value in headers if name.lower() == "content-length"), "-"),
        _quoted(environ.get("HTTP_REFERER", "-")),
        _quoted(environ.get("HTTP_USER_AGENT", "-")),
        1000 * seconds,
        environ.get("HTTP_X_REQUEST_ID", "-"),
    )


def _quoted(text: str) -> str:
    return text.replace('"', "%22")
