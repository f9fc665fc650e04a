"""The pages of the built-in workloads, as views on the root of a Zope.

Loaded into the benchmark's own instances only (see ``pages.zcml``), never into a user's.
``workloads`` says what each one stands for.
"""

from __future__ import annotations

import json
import random
import select
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from persistent import Persistent
from Products.Five.browser import BrowserView
from ZODB.blob import Blob
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse
from ZPublisher.Iterators import filestream_iterator

#: Links of the CPU-bound page: about 20 ms on the machine the project's figures are from.
LINKS = 300

#: Seconds the waiting page waits, as for a slow backend.
WAIT = 0.1

#: Bytes of the blob; more than every socket buffer between Zope and a reader, so that a
#: slow reader holds the download open.
BLOB_BYTES = 16 * 1024 * 1024

#: Objects the writing page chooses from: few enough to conflict.
TALLIES = 4

#: Bytes of the download that slow visitors take, in front of which other pages are measured.
DOWNLOAD_BYTES = 5 * 1000 * 1000

#: The part of a site that one visitor reads: objects of about this many bytes.
BOOKS = 175
BOOK_BYTES = 1000

#: Where the pages keep their objects in the database's root.
ROOT_KEY = "zopestack_bench"


@dataclass
class Waited:
    """What the CPU-bound page has spent in this process, in seconds.

    :param elapsed: on the wall clock.
    :param cpu: on a core.
    :param runnable: ready to run but without a core (``schedstat``, kernel documentation,
        "sched-stats"). What remains of ``elapsed`` was spent waiting for the GIL.
    """

    requests: int = 0
    elapsed: float = 0.0
    cpu: float = 0.0
    runnable: float = 0.0


@dataclass
class Read:
    """What the page of a shelf has read in this process.

    :param objects: asked for.
    :param loads: those of them that were not in the ZODB cache.
    """

    reads: int = 0
    objects: int = 0
    loads: int = 0


_waited = Waited()
_read = Read()
_lock = threading.Lock()


class Light(BrowserView):  # type: ignore[misc]
    """The least that Zope can do: a constant."""

    def __call__(self) -> str:
        self.request.response.setHeader("Content-Type", "text/plain")
        return "light\n"


class Cpu(BrowserView):  # type: ignore[misc]
    """A page template of many links: nothing but computing."""

    def __call__(self) -> Any:
        started, cpu, runnable = time.perf_counter(), time.thread_time(), _runnable()
        page = self.index()
        with _lock:
            _waited.requests += 1
            # In the reverse order, so that what is subtracted lies within what it is from.
            _waited.runnable += _runnable() - runnable
            _waited.cpu += time.thread_time() - cpu
            _waited.elapsed += time.perf_counter() - started
        return page

    def links(self) -> list[dict[str, str]]:
        """What the template shows."""
        return [
            {
                "path": f"section-{number % 17}/page-{number}",
                "title": f"The page with the number {number}",
            }
            for number in range(LINKS)
        ]


class Wait(BrowserView):  # type: ignore[misc]
    """Waits on a socket on which nothing arrives, without the GIL, as for a backend."""

    def __call__(self) -> str:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            select.select([ours], [], [], WAIT)
        return "waited\n"


class BlobDownload(BrowserView):  # type: ignore[misc]
    """A blob, streamed by the server as Zope hands it files."""

    #: Which one, by its name in :class:`Objects`.
    blob = "blob"

    def __call__(self) -> Any:
        blob = getattr(self.context._p_jar.root()[ROOT_KEY], self.blob)
        path = blob.committed()
        response = self.request.response
        response.setHeader("Content-Type", "application/octet-stream")
        response.setHeader("Content-Length", str(Path(path).stat().st_size))
        return filestream_iterator(path, "rb")


class Download(BlobDownload):
    """The smaller one."""

    blob = "download"


@implementer(IPublishTraverse)
class ShelfView(BrowserView):  # type: ignore[misc]
    """``bench-shelf/N``: reads every book of one shelf, of which there are as many as are
    asked for."""

    number = 0

    def publishTraverse(self, request: Any, name: str) -> ShelfView:  # noqa: N802
        """Take the number from the path."""
        self.number = int(name)
        return self

    def __call__(self) -> str:
        connection = self.context._p_jar
        before = connection.getTransferCounts()[0]
        shelf = connection.root()[ROOT_KEY].shelves[self.number]
        size = sum(len(book.text) for book in shelf.books)
        with _lock:
            _read.reads += 1
            _read.objects += len(shelf.books)
            _read.loads += connection.getTransferCounts()[0] - before
        return f"{size}\n"


class Library(BrowserView):  # type: ignore[misc]
    """``bench-library?shelves:int=N&cache:int=M``: makes shelves where there are none yet,
    and has this process keep so many objects in the ZODB cache of each thread."""

    def __call__(self, shelves: int, cache: int) -> str:
        objects = self.context._p_jar.root()[ROOT_KEY]
        if len(objects.shelves) < shelves:
            objects.shelves = [Shelf() for _ in range(shelves)]
        self.context._p_jar.db().setCacheSize(cache)
        return "ready\n"


class Write(BrowserView):  # type: ignore[misc]
    """Changes one of a few objects, so that writers conflict and Zope tries again."""

    def __call__(self) -> str:
        tally = random.choice(self.context._p_jar.root()[ROOT_KEY].tallies)  # noqa: S311
        tally.count += 1
        return f"{tally.count}\n"


class SetUp(BrowserView):  # type: ignore[misc]
    """Makes what the other pages need, once."""

    def __call__(self) -> str:
        root = self.context._p_jar.root()
        if ROOT_KEY not in root:
            root[ROOT_KEY] = Objects()
        return "ready\n"


class Counters(BrowserView):  # type: ignore[misc]
    """What this process and the database have counted, as JSON."""

    def __call__(self) -> str:
        objects = self.context._p_jar.root().get(ROOT_KEY)
        writes = sum(tally.count for tally in objects.tallies) if objects else 0
        self.request.response.setHeader("Content-Type", "application/json")
        return json.dumps({**asdict(_waited), **asdict(_read), "writes": writes})


class Book(Persistent):  # type: ignore[misc]
    """An object of a site."""

    def __init__(self, number: int) -> None:
        self.text = f"{number:{BOOK_BYTES}}"


class Shelf(Persistent):  # type: ignore[misc]
    """What one visitor reads."""

    def __init__(self) -> None:
        self.books = [Book(number) for number in range(BOOKS)]


class SwitchInterval(BrowserView):  # type: ignore[misc]
    """Python's switch interval in this process, in seconds; set to ``?seconds=`` first."""

    def __call__(self) -> str:
        if "seconds" in self.request.form:
            sys.setswitchinterval(float(self.request.form["seconds"]))
        return repr(sys.getswitchinterval())


class Tally(Persistent):  # type: ignore[misc]
    """A counter in the database."""

    count = 0


class Objects(Persistent):  # type: ignore[misc]
    """What the pages keep in the database."""

    def __init__(self) -> None:
        self.blob = _blob(BLOB_BYTES)
        self.download = _blob(DOWNLOAD_BYTES)
        self.tallies = [Tally() for _ in range(TALLIES)]
        self.shelves: list[Shelf] = []


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
