"""Pages for the tests of the front end, at every object of a real Zope.

    hold?until=   answers when there is a file of that name
    stream        5 MB off the thread, as Zope serves a blob
    sized?bytes=  a page of so many bytes; with seconds=, made in so many
    call?url=     fetches a URL before it answers, when there is a file ``until=``
    cached        may be cached; says how often this process has made it; cookies:list= sets some
    text?type=    4 kB of that media type; encoding=, etag=, control= set headers; half= breaks off
    moved         leads to the object itself, by its whole URL
    client        says which address Zope takes for the client's
    fail?text=    an error of that text; with log=, that is logged as well
    note?text=    keeps a text in the database, or in the one that ``of=`` names
    noted         shows it
    tally         counts in the database, in a transaction of ``seconds=``; shows the count
    retries       whose wait there is before a retry: ``as=zope`` or ``as=agent``
    management-views    what the management interface consists of; see ``management.py``

Loaded into the instances of ``tests.support.farm`` only.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from Products.Five.browser import BrowserView
from zope.interface import implementer
from ZPublisher.HTTPRequest import HTTPRequest
from ZPublisher.Iterators import IUnboundStreamIterator, filestream_iterator

#: Seconds to wait for company, or for a page of one's own.
PATIENCE = 20

#: Names the file that ``stream`` delivers.
FILE = "FRONTEND_FILE"

_numbers = itertools.count(1)

#: The agent installs its own after this has been loaded.
_waits = {"zope": HTTPRequest.delay_retry}

logger = logging.getLogger("frontend_pages")


class Hold(BrowserView):
    """Keeps its thread until there is a file."""

    def __call__(self) -> str:
        _wait_for(Path(self.request.form["until"]))
        return "held"


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


class Stream(BrowserView):
    """A file, streamed by waitress after the thread is free, as Zope hands it blobs."""

    def __call__(self) -> Any:
        self.HEAD()
        return filestream_iterator(os.environ[FILE], "rb")

    def HEAD(self) -> str:  # noqa: N802
        """The same without a body; Zope looks for a method of this name."""
        response = self.request.response
        response.setHeader("Content-Type", "video/mp4")
        response.setHeader("Content-Length", str(Path(os.environ[FILE]).stat().st_size))
        return ""


class Sized(BrowserView):
    """A page as large as it is asked for."""

    def __call__(self) -> bytes:
        time.sleep(float(self.request.form.get("seconds", 0)))
        return b"x" * int(self.request.form["bytes"])


class Call(BrowserView):
    """Answers when another page has answered."""

    def __call__(self) -> str:
        _wait_for(Path(self.request.form["until"]))
        with urllib.request.urlopen(self.request.form["url"], timeout=PATIENCE) as inner:
            return str(inner.status)


class Cached(BrowserView):
    """A page that any cache may hold, unless it is asked for another kind."""

    def __call__(self) -> str:
        form, response = self.request.form, self.request.response
        response.setHeader("Cache-Control", form.get("control", "public, max-age=60"))
        if "cookie" in form:
            response.setCookie("session", "1")
        for cookie in form.get("cookies", ()):
            response.addHeader("Set-Cookie", cookie)
        if "vary" in form:
            response.setHeader("Vary", form["vary"])
        # What a cache might guess from.
        response.setHeader("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
        return str(next(_numbers))


class Text(BrowserView):
    """A page that compression makes shorter, with headers that concern it."""

    def __call__(self) -> Any:
        form, response = self.request.form, self.request.response
        names = {"encoding": "Content-Encoding", "etag": "ETag", "control": "Cache-Control"}
        for name, header in names.items():
            if name in form:
                response.setHeader(header, form[name], literal=True)
        response.setHeader("Content-Type", form.get("type", "text/html"))
        response.setStatus(int(form.get("status", 200)), lock=True)
        if "half" in form:
            response.setHeader("Content-Length", "1000000")
            return Half()
        return "text" * 1024


@implementer(IUnboundStreamIterator)
class Half:
    """A response that fails after half a megabyte."""

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(8):
            yield b"text" * 16384
        raise ValueError("as the visitor wants it")


class Moved(BrowserView):
    """Leads elsewhere, for which Zope takes its own URL apart and puts it together again."""

    def __call__(self) -> str:
        return self.request.response.redirect(self.context.absolute_url())


class Client(BrowserView):
    """The client's address, as Zope and its add-ons see it."""

    def __call__(self) -> str:
        return self.request.getClientAddr()


class Fail(BrowserView):
    """Fails with what the visitor has sent, as programs do."""

    def __call__(self) -> str:
        form = self.request.form
        if "log" in form:
            logger.warning("about to fail: %s", form["log"])
            logger.warning(f"about to fail: {form['log']}")
        error = ValueError(form["text"])
        error.add_note(form["text"])
        raise error


class Note(BrowserView):
    """Keeps a text in a database."""

    def __call__(self) -> str:
        self.root()["noted"] = self.request.form["text"]
        return "kept"

    def root(self) -> Any:
        """The root of the database ``main``, or of the one that the visitor names."""
        jar = self.context.getPhysicalRoot()._p_jar
        return jar.get_connection(self.request.form.get("of", "main")).root()


class Noted(Note):
    """Shows the text."""

    def __call__(self) -> str:
        return str(self.root().get("noted"))


class Tally(Note):
    """Counts, and works for some time before it does: two at once conflict."""

    def __call__(self) -> str:
        root = self.root()
        count = root.get("tally", 0)
        done = time.thread_time() + float(self.request.form.get("seconds", 0))
        while time.thread_time() < done:
            pass
        root["tally"] = count + 1
        return str(count + 1)


class Retries(BrowserView):
    """Chooses between Zope's wait before a retry and the agent's; says where that is from."""

    def __call__(self) -> str:
        _waits.setdefault("agent", HTTPRequest.delay_retry)
        HTTPRequest.delay_retry = _waits[self.request.form["as"]]
        return str(HTTPRequest.delay_retry.__module__)
