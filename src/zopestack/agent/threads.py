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
import struct
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

#: Seconds that a thread has to be idle before HAProxy hears of it, by its question.
#: ``steady``: nothing is lent yet. Between two requests of a saturated instance no thread is
#: idle for so long, so that nothing is done there for each of them.
#: ``next``: slots are lent, and whoever waits is waiting for this. HAProxy has seen the end
#: of the last response by then, and a request that it has sent has arrived.
SETTLED = {"steady": 0.02, "next": 0.002}

#: Seconds after which there is an answer in any case, so that HAProxy can look at its own side.
LONGEST = 0.5


@dataclass(eq=False)
class Watcher:
    """Somebody who is told when a thread is idle.

    :ivar most: the most threads that were needed at once since this was last set.
    :ivar freed: set when a thread has come free.
    """

    most: int = 0
    freed: threading.Event = field(default_factory=threading.Event)


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
            for watcher in self.watchers:
                watcher.freed.set()

    def needed(self) -> int:
        """Requests that need a thread: in one, waiting for one, or not read yet."""
        channels = [c for server in self.servers for c in list(server.active_channels.values())]
        return sum(channel.needs_thread() for channel in channels) + sum(
            connection_waits(server.socket) for server in self.servers
        )

    def busy(self, question: str) -> int:
        """Wait until a thread is idle and stays so; the threads that were needed meanwhile.

        :param question: one of :data:`SETTLED`.
        """
        settled, prompt = SETTLED[question], question == "next"
        deadline = time.monotonic() + LONGEST
        pause = threading.Event()
        with self._watching() as watcher:
            while True:
                watcher.freed.clear()
                watcher.most = self.needed()
                if watcher.most < self.number or not prompt:
                    pause.wait(settled)
                else:
                    watcher.freed.wait(max(0, deadline - time.monotonic()))
                busy = max(watcher.most, self.needed())
                if busy < self.number or time.monotonic() > deadline:
                    return busy

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


def unread(connection: socket.socket) -> bool:
    """Whether bytes have arrived that nobody has read (ioctl_tty(2), FIONREAD)."""
    try:
        answer = fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(4))
    except (OSError, ValueError):
        return False  # closed meanwhile
    return struct.unpack("i", answer)[0] > 0


def connection_waits(listening: socket.socket) -> bool:
    """Whether somebody has connected who was not accepted yet."""
    poll = select.poll()
    try:
        poll.register(listening.fileno(), select.POLLIN)
    except (OSError, ValueError):
        return False
    return bool(poll.poll(0))
