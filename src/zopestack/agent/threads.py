"""Which of an instance's threads are idle: the half of the slots invariant that it knows.

HAProxy knows how many requests it has given to the instance and whether others wait
(``templates/slots.lua.j2``); here is known how many of them need a thread. A request whose
body is still arriving needs none yet, and one whose response is only being delivered needs
none any more.
"""

from __future__ import annotations

import fcntl
import select
import socket
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from waitress.server import BaseWSGIServer

if TYPE_CHECKING:
    from zopestack.agent.channel import Channel


@dataclass(frozen=True)
class Question:
    """What HAProxy may ask.

    :param settled: seconds for which a thread has to be idle to count as idle.
    :param longest: seconds after which there is an answer in any case, so that HAProxy can
        look at its own side.
    :param prompt: whether to look as soon as a thread comes free, rather than now and then.
    """

    settled: float
    longest: float
    prompt: bool


#: By name. A millisecond is enough for a request that HAProxy has sent to arrive.
QUESTIONS = {
    # While nothing is lent: between two requests of a saturated instance no thread is idle for
    # so long, so that nothing is done there for each of them.
    "steady": Question(settled=0.01, longest=0.1, prompt=False),
    # While slots are lent and all threads are needed.
    "next": Question(settled=0.001, longest=0.1, prompt=True),
    # While slots are lent and a thread is idle: is it still?
    "still": Question(settled=0.001, longest=0, prompt=False),
}


@dataclass(eq=False)
class Watcher:
    """Somebody who is told when a thread is idle.

    :ivar most: the most threads that were needed at once since this was last set.
    :ivar changed: set when fewer threads may be needed than before.
    """

    most: int = 0
    changed: threading.Event = field(default_factory=threading.Event)


class Threads:
    """The threads of one instance, and who needs one.

    :param number: how many there are.
    :ivar inside: by thread, the connection whose request it works on.
    :ivar servers: waitress's servers that were met so far, each by its first connection.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.inside: dict[int, Channel] = {}
        self.servers: set[BaseWSGIServer] = set()
        self.watchers: tuple[Watcher, ...] = ()
        self._lock = threading.Lock()

    @contextmanager
    def working(self, channel: Channel) -> Iterator[None]:
        """The current thread works on a request meanwhile.

        On the way of every request: two dictionary operations while nobody watches, each of
        which the interpreter makes atomic.
        """
        thread = threading.get_ident()
        self.inside[thread] = channel
        for watcher in self.watchers:
            watcher.most = max(watcher.most, len(self.inside))
        try:
            yield
        finally:
            del self.inside[thread]
            self.changed()

    def changed(self) -> None:
        """A thread may have come free, or one that seemed to be needed is not."""
        for watcher in self.watchers:
            watcher.changed.set()

    def needed(self) -> int:
        """Requests that need a thread: in one, waiting for one, or not read yet."""
        return sum(channel.needs_thread() for channel in self.channels()) + sum(
            connection_waits(server.socket) for server in self.servers
        )

    def channels(self) -> list[Channel]:
        """Every open connection."""
        return [c for server in self.servers for c in list(server.active_channels.values())]

    def answer(self, question: Question) -> tuple[int, int]:
        """Wait until a thread is idle and stays so, or for as long as the question says.

        :returns: the most threads that were needed at once meanwhile, and those needed now.
        """
        deadline = time.monotonic() + question.longest
        pause = threading.Event()
        with self._watching() as watcher:
            while True:
                watcher.changed.clear()
                watcher.most = self.needed()
                if watcher.most < self.number or not question.prompt:
                    pause.wait(question.settled)
                else:
                    watcher.changed.wait(max(0, deadline - time.monotonic()))
                now = self.needed()
                most = max(watcher.most, now)
                if most < self.number or time.monotonic() > deadline:
                    return most, now

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
    """Whether bytes have arrived that nobody has read (ioctl_tty(2), FIONREAD).

    :param connection: None, as waitress leaves it, where it was closed.
    """
    if connection is None:
        return False
    try:
        answer = fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(4))
    except (OSError, ValueError):
        return False  # closed meanwhile
    return answer != bytes(4)


def hung_up(connection: socket.socket | None) -> bool:
    """Whether the other end has closed a connection, and sent nothing more before that.

    waitress looks for that when it has answered, and would do all the work for nobody.
    """
    if connection is None:
        return True
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def connection_waits(listening: socket.socket | None) -> bool:
    """Whether somebody has connected who was not accepted yet."""
    if listening is None:
        return False
    poll = select.poll()
    try:
        poll.register(listening.fileno(), select.POLLIN)
    except (OSError, ValueError):
        return False  # closed meanwhile
    return bool(poll.poll(0))
