"""How many of an instance's threads are idle: the instance's half of the slots invariant.

HAProxy knows how many requests it has given to the instance and whether others wait
(``templates/slots.lua.j2``). The instance knows how many of them need a thread. A request whose
body is still arriving does not need one yet; one whose response is only being delivered no
longer needs one.
"""

from __future__ import annotations

import fcntl
import select
import socket
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zopestack.agent.metrics.times import Times

if TYPE_CHECKING:
    from zopestack.agent.channel import Channel
    from zopestack.agent.server import Inline


@dataclass(frozen=True)
class Question:
    """A question that HAProxy may ask.

    :param settled: seconds for which a thread must be idle to count as idle.
    :param longest: seconds after which to answer in any case, so that HAProxy can check its own
        figures.
    :param prompt: whether to look as soon as a thread becomes free, instead of every ``settled``
        seconds. Who asks so may say how many requests it has sent since the question before: once
        threads have begun all of these, an idle thread counts at once.
    """

    settled: float
    longest: float
    prompt: bool


#: The questions by name. A request that HAProxy has sent arrives within a millisecond.
QUESTIONS = {
    # No slot is lent. A saturated instance has no thread idle for this long between two
    # requests, so this question does no work for each of them.
    "steady": Question(settled=0.01, longest=0.05, prompt=False),
    # Slots are lent and all threads are needed: wait for the next idle thread.
    "next": Question(settled=0.001, longest=0.05, prompt=True),
    # Slots are lent and a thread was idle: check that it still is.
    "still": Question(settled=0.001, longest=0, prompt=False),
}


@dataclass(eq=False)
class Watcher:
    """One pending question.

    :ivar most: the largest number of threads needed at once since this was last reset.
    :ivar changed: set when fewer threads may be needed than before.
    """

    most: int = 0
    changed: threading.Event = field(default_factory=threading.Event)


class Threads:
    """The threads of one instance, and the requests that need them.

    :param number: number of worker threads.
    :ivar inside: by thread, the connection whose request it is working on.
    :ivar servers: waitress's servers.
    :ivar inline: whether waitress's main loop is running a request itself.
    :ivar leaving: whether the main loop is to end when it has run that request.
    :ivar begun: number of requests that they have begun.
    :ivar answered: how long they have worked on requests, by method class and status.
    :ivar waited: how long requests have waited for one.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.inside: dict[int, Channel] = {}
        self.servers: set[Inline] = set()
        self.inline = False
        self.leaving = False
        self.begun = 0
        self.answered = Times()
        self.waited = Times()
        self.watchers: tuple[Watcher, ...] = ()
        self._lock = threading.Lock()

    @contextmanager
    def working(self, channel: Channel) -> Iterator[None]:
        """Count the current thread as working on a request.

        Every request runs this: two dictionary operations while there is no watcher, each of
        which the interpreter makes atomic, and a count.
        """
        thread = threading.get_ident()
        self.inside[thread] = channel
        # Where two threads count as one, an answer comes later, and no later than ``settled``.
        self.begun += 1
        for watcher in self.watchers:
            watcher.most = max(watcher.most, len(self.inside))
        try:
            yield
        finally:
            del self.inside[thread]
            self.changed()

    @contextmanager
    def in_main_loop(self) -> Iterator[None]:
        """Run a request in waitress's main loop.

        :raises SystemExit: after it, if the instance was to exit meanwhile.
        """
        self.inline = True
        try:
            yield
        finally:
            self.inline = False
        if self.leaving:
            raise SystemExit(0)

    def exit(self) -> None:
        """Leave waitress's main loop; after the request that it runs, if it runs one.

        Call it from a signal handler, which interrupts the main loop anywhere.

        :raises SystemExit: if it runs none.
        """
        self.leaving = True
        if not self.inline:
            raise SystemExit(0)

    def changed(self) -> None:
        """Wake the watchers, because fewer threads may be needed than before."""
        for watcher in self.watchers:
            watcher.changed.set()

    def needed(self) -> int:
        """Return how many requests need a thread: running, waiting, or not read yet."""
        return self.waiting() + sum(bool(channel.needs_thread()) for channel in self.channels())

    def waiting(self) -> int:
        """Return how many connections wait to be accepted."""
        return sum(connections_waiting(server.socket) for server in self.servers)

    def channels(self) -> list[Channel]:
        """Return every open connection."""
        return [c for server in self.servers for c in list(server.active_channels.values())]

    def answer(self, question: Question, expected: int | None = None) -> tuple[int, int]:
        """Wait until a thread is idle for long enough, or until the question's time is over.

        :param expected: what :attr:`begun` is when threads have begun every request that HAProxy
            has sent, if it says so. From then on an idle thread needs no further look.
        :returns: the largest number of threads needed at once meanwhile, and the number needed
            now.
        """
        deadline = time.monotonic() + question.longest
        with self._watching() as watcher:
            while True:
                watcher.changed.clear()
                # The order matters: what begins in between is needed.
                all_begun = self.begun == expected
                now = watcher.most = self.needed()
                if now >= self.number and question.prompt:
                    watcher.changed.wait(max(0, deadline - time.monotonic()))
                elif not all_begun:
                    self._settle(watcher, question, expected)
                    now = self.needed()
                most = max(watcher.most, now)
                if most < self.number or time.monotonic() > deadline:
                    return most, now

    def _settle(self, watcher: Watcher, question: Question, expected: int | None) -> None:
        """Wait for as long as a thread must be idle, or until all that is expected has begun."""
        if expected is None:
            # Not the watcher's event, which every request would set.
            threading.Event().wait(question.settled)
            return
        end = time.monotonic() + question.settled
        while (left := end - time.monotonic()) > 0 and self.begun != expected:
            watcher.changed.wait(left)
            watcher.changed.clear()

    @contextmanager
    def _watching(self) -> Iterator[Watcher]:
        watcher = Watcher()
        with self._lock:
            self.watchers = (*self.watchers, watcher)
        try:
            yield watcher
        finally:
            with self._lock:
                self.watchers = tuple(w for w in self.watchers if w is not watcher)


def unread(connection: socket.socket | None) -> bool:
    """Return whether bytes have arrived that nobody has read (ioctl_tty(2), FIONREAD).

    :param connection: None if it was closed, as waitress leaves it.
    """
    if connection is None:
        return False
    try:
        answer = fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(4))
    except (OSError, ValueError):
        return False  # It was closed meanwhile.
    return answer != bytes(4)


def hung_up(connection: socket.socket | None) -> bool:
    """Return whether the client has closed a connection and left no unread bytes.

    waitress notices this only when it sends the response, after all the work is done.
    """
    if connection is None:
        return True
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def connections_waiting(listening: socket.socket | None) -> int:
    """Return how many connections wait to be accepted; of a unix socket, whether one does."""
    if listening is None:
        return 0
    try:
        if listening.family != socket.AF_UNIX:
            # linux/tcp.h, struct tcp_info: of a listening socket, tcpi_unacked is their number.
            info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
            return int.from_bytes(info[24:28], sys.byteorder)
        poll = select.poll()
        poll.register(listening.fileno(), select.POLLIN)
        return len(poll.poll(0))
    except (OSError, ValueError):
        return 0  # It was closed meanwhile.
