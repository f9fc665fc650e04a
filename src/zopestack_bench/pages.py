"""The pages of the built-in workloads, as views on the root of a Zope.

Loaded into the benchmark's own instances only (``pages.zcml``). ``workloads`` says what each one
stands for.
"""

from __future__ import annotations

import json
import random
import select
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from persistent.list import PersistentList
from persistent.mapping import PersistentMapping
from Products.Five.browser import BrowserView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from ZODB.blob import Blob
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse
from ZPublisher.Iterators import filestream_iterator

#: Links of the CPU-bound page: about 20 ms on the machine the project's figures are from.
LINKS = 300

#: Seconds that the waiting page waits, as for a slow backend.
WAIT = 0.1

#: Bytes of the blob: more than every socket buffer between Zope and a client, so that a slow
#: client holds the download open.
BLOB_BYTES = 16 * 1024 * 1024

#: Objects the writing page chooses from: few enough to conflict.
TALLIES = 4

#: Bytes of the download of slow clients, beside which other pages are measured.
DOWNLOAD_BYTES = 5 * 1000 * 1000

#: The part of a site that one user reads: objects of about this many bytes.
BOOKS = 175
BOOK_BYTES = 1000

#: Where the pages keep their objects in the database's root.
ROOT_KEY = "zopestack_bench"


#: What the pages have counted in this process: of the CPU-bound page how often it was
#: ``computed`` and the milliseconds it waited for the GIL; of the shelves the ``reads``, the
#: ``objects`` asked for, and the ``loads`` of those that were not in the ZODB cache.
_counted = {"computed": 0.0, "gil ms": 0.0, "reads": 0.0, "objects": 0.0, "loads": 0.0}
_lock = threading.Lock()


class Pages(BrowserView):  # type: ignore[misc]
    """Every page but ``bench-shelf``, each a method; ``bench-cpu`` is :meth:`cpu`."""

    template = ViewPageTemplateFile("links.pt")

    @property
    def objects(self) -> Any:
        """The pages' own objects; made by :meth:`setup`."""
        return self.context._p_jar.root()[ROOT_KEY]

    def light(self) -> str:
        """A constant: the least that Zope can do."""
        self.request.response.setHeader("Content-Type", "text/plain")
        return "light\n"

    def cpu(self) -> Any:
        """A page template of many links: nothing but computing."""
        started, cpu, runnable = time.perf_counter(), time.thread_time(), _runnable()
        page = self.template()
        # In the reverse order, so that what is subtracted lies within what it is from. A thread
        # that neither ran nor was ready to run has waited for the GIL.
        spent = _runnable() - runnable + time.thread_time() - cpu
        _count({"computed": 1, "gil ms": 1000 * (time.perf_counter() - started - spent)})
        return page

    def links(self) -> list[dict[str, str]]:
        """What the template shows."""
        return [
            {"path": f"section-{n % 17}/page-{n}", "title": f"The page with the number {n}"}
            for n in range(LINKS)
        ]

    def wait(self) -> str:
        """Wait on a socket on which nothing arrives, without the GIL, as for a backend."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            select.select([ours], [], [], WAIT)
        return "waited\n"

    def blob(self) -> Any:
        """A blob, streamed by the server as Zope hands it files."""
        return self._stream(self.objects["blob"])

    def download(self) -> Any:
        """The smaller blob."""
        return self._stream(self.objects["download"])

    def _stream(self, blob: Blob) -> Any:
        path = blob.committed()
        response = self.request.response
        response.setHeader("Content-Type", "application/octet-stream")
        response.setHeader("Content-Length", str(Path(path).stat().st_size))
        return filestream_iterator(path, "rb")

    def write(self) -> str:
        """Change one of a few objects, so that writers conflict and Zope tries again."""
        tally = random.choice(self.objects["tallies"])  # noqa: S311
        tally["count"] += 1
        return f"{tally['count']}\n"

    def library(self, shelves: int, cache: int) -> str:
        """``?shelves:int=N&cache:int=M``: make shelves where there are none yet, and keep so many
        objects in the ZODB cache of each thread of this process."""
        if len(self.objects["shelves"]) < shelves:
            self.objects["shelves"] = [_shelf() for _ in range(shelves)]
        self.context._p_jar.db().setCacheSize(cache)
        return "ready\n"

    def setup(self) -> str:
        """Make what the other pages need, once."""
        root = self.context._p_jar.root()
        if ROOT_KEY not in root:
            root[ROOT_KEY] = PersistentMapping(
                blob=_blob(BLOB_BYTES),
                download=_blob(DOWNLOAD_BYTES),
                tallies=[PersistentMapping(count=0) for _ in range(TALLIES)],
                shelves=[],
            )
        return "ready\n"

    def switch_interval(self) -> str:
        """Python's switch interval in this process, in seconds; set to ``?seconds=`` first."""
        if "seconds" in self.request.form:
            sys.setswitchinterval(float(self.request.form["seconds"]))
        return repr(sys.getswitchinterval())

    def counters(self) -> str:
        """What this process and the database have counted, as JSON."""
        objects = self.context._p_jar.root().get(ROOT_KEY)
        writes = sum(tally["count"] for tally in objects["tallies"]) if objects else 0
        self.request.response.setHeader("Content-Type", "application/json")
        return json.dumps({**_counted, "writes": writes})


@implementer(IPublishTraverse)
class ShelfPage(BrowserView):  # type: ignore[misc]
    """``bench-shelf/N``, for one of the shelves."""

    number = 0

    def publishTraverse(self, request: Any, name: str) -> ShelfPage:  # noqa: N802
        """Take the number from the path."""
        self.number = int(name)
        return self

    def __call__(self) -> str:
        """Read every book of the shelf."""
        connection = self.context._p_jar
        before = connection.getTransferCounts()[0]
        shelf = connection.root()[ROOT_KEY]["shelves"][self.number]
        size = sum(len(book["text"]) for book in shelf)
        loads = connection.getTransferCounts()[0] - before
        _count({"reads": 1, "objects": len(shelf), "loads": loads})
        return f"{size}\n"


def _count(amounts: dict[str, float]) -> None:
    with _lock:
        for name, amount in amounts.items():
            _counted[name] += amount


def _shelf() -> PersistentList:
    books = ({"text": f"{number:{BOOK_BYTES}}"} for number in range(BOOKS))
    return PersistentList(PersistentMapping(book) for book in books)


def _blob(size: int) -> Blob:
    blob = Blob()
    with blob.open("w") as file:
        file.write(bytes(size))
    return blob


def _runnable() -> float:
    """Seconds this thread has been ready to run without running; 0 where not recorded."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0
